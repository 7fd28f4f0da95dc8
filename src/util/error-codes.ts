/** Exit codes of the command line; the table of the README's reference. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  internal: 70,
  sighup: 129,
  sigint: 130,
  sigterm: 143,
} as const;

/** What a code says; `usage`: the caller is at fault. */
export interface ErrorMeaning {
  readonly meaning: string;
  readonly usage?: true;
}

/** A code of the catalogue. */
export type ErrorCode =
  | 'TSB_USAGE'
  | 'TSB_PARSE'
  | 'TSB_LINT'
  | 'TSB_UNSUPPORTED'
  | 'TSB_NO_BUILDFILE'
  | 'TSB_CONTEXT'
  | 'TSB_COPY'
  | 'TSB_RUN_FAILED'
  | 'TSB_BUILD'
  | 'TSB_SECRET'
  | 'TSB_REFERENCE'
  | 'TSB_IMAGE_NOT_FOUND'
  | 'TSB_IMAGE_INVALID'
  | 'TSB_DIGEST_MISMATCH'
  | 'TSB_LAYER_INVALID'
  | 'TSB_LIMIT'
  | 'TSB_REGISTRY'
  | 'TSB_AUTH'
  | 'TSB_NETWORK'
  | 'TSB_STORE'
  | 'TSB_NO_SPACE'
  | 'TSB_OUTPUT'
  | 'TSB_NO_FUSE'
  | 'TSB_NO_USERNS'
  | 'TSB_NO_SUBID'
  | 'TSB_SANDBOX'
  | 'TSB_BOOTSTRAP'
  | 'TSB_MISSING_TOOL'
  | 'TSB_INTERRUPTED';

/**
 * The catalogue of error codes: code → what it says. A failing RUN exits with the command's own
 * status; everything else with `EXIT.failed`, or `EXIT.usage` where `usage` is set.
 */
export const ERROR_CODES: Readonly<Record<ErrorCode, ErrorMeaning>> = {
  TSB_USAGE: { meaning: 'The command line, or a call of the library, is wrong', usage: true },
  TSB_PARSE: { meaning: 'The Buildfile is not well-formed' },
  TSB_LINT: { meaning: 'A check found something, and the Buildfile says error=true' },
  TSB_UNSUPPORTED: { meaning: 'A feature, flag or media type that tsbuild does not have' },
  TSB_NO_BUILDFILE: { meaning: 'No Buildfile was found' },
  TSB_CONTEXT: { meaning: 'The build context is missing or cannot be read' },
  TSB_COPY: { meaning: 'The source of a COPY or ADD is missing or is outside its root' },
  TSB_RUN_FAILED: { meaning: 'A RUN command failed' },
  TSB_BUILD: { meaning: 'A step cannot be carried out' },
  TSB_SECRET: { meaning: 'A secret would be in a layer or in the settings of the image' },
  TSB_REFERENCE: { meaning: 'An image name is not well-formed' },
  TSB_IMAGE_NOT_FOUND: { meaning: 'An image is in neither the store nor the registry' },
  TSB_IMAGE_INVALID: { meaning: 'A manifest, config or archive breaks its specification' },
  TSB_DIGEST_MISMATCH: { meaning: 'Content is not what its digest or size says' },
  TSB_LAYER_INVALID: { meaning: 'A layer archive is damaged or hostile' },
  TSB_LIMIT: { meaning: 'A named limit was passed' },
  TSB_REGISTRY: { meaning: 'A registry answered with an error' },
  TSB_AUTH: { meaning: 'A registry refused the credentials, or there are none' },
  TSB_NETWORK: { meaning: 'A registry could not be reached' },
  TSB_STORE: { meaning: 'The local store is damaged, or of another version' },
  TSB_NO_SPACE: { meaning: 'The disk or quota is full' },
  TSB_OUTPUT: { meaning: 'An output cannot be written' },
  TSB_NO_FUSE: { meaning: '/dev/fuse is missing or cannot be opened' },
  TSB_NO_USERNS: { meaning: 'User namespaces are not available to this user' },
  TSB_NO_SUBID: { meaning: 'The user has no subordinate ids, or newuidmap is missing' },
  TSB_SANDBOX: { meaning: 'The sandbox of a RUN cannot be set up' },
  TSB_BOOTSTRAP: { meaning: 'A base image cannot be bootstrapped' },
  TSB_MISSING_TOOL: { meaning: 'A program that the command needs is not installed' },
  TSB_INTERRUPTED: { meaning: 'The command was interrupted' },
};
