import { UserError } from '../util/errors.js';
import type { Digest } from './digest.js';
import type { Reference } from './reference.js';
import { formatFamiliar, parseReference } from './reference.js';

/** Where an image comes from: what `FROM`, `COPY --from` and `pull` take. */
export type ImageSource =
  | { readonly kind: 'reference'; readonly reference: Reference }
  | {
      readonly kind: 'oci';
      readonly dir: string;
      readonly tag?: string;
      /** The manifest that is wanted of those in the layout. */
      readonly digest?: Digest;
    }
  | { readonly kind: 'oci-archive'; readonly file: string; readonly tag?: string }
  | { readonly kind: 'docker-archive'; readonly file: string; readonly tag?: string };

/** Transports of other tools that a user may try. */
const UNSUPPORTED = /^(?:docker-daemon|containers-storage|dir|ostree|sif|tarball):/;

/**
 * Parses `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]`, `docker-archive:FILE[:NAME]`,
 * `docker://NAME` or a plain reference; the path ends at its first colon, as in skopeo. An image
 * that is itself called `oci` is written `docker.io/library/oci:TAG`. UserError TSB_REFERENCE.
 */
export function parseImageSource(text: string): ImageSource {
  if (text.startsWith('docker://')) {
    return { kind: 'reference', reference: parseReference(text.slice('docker://'.length)) };
  }
  const [transport, rest] = splitOnce(text);
  if (rest !== undefined) {
    const [path, tag] = splitOnce(rest);
    const named = tag === undefined ? {} : { tag };
    if (transport === 'oci') return { kind: 'oci', dir: assertPath(path, text), ...named };
    if (transport === 'oci-archive' || transport === 'docker-archive') {
      return { kind: transport, file: assertPath(path, text), ...named };
    }
  }
  if (UNSUPPORTED.test(text)) {
    throw new UserError(
      'TSB_UNSUPPORTED',
      `Cannot read image ${JSON.stringify(text)}: transport ${transport}`,
      {
        hint: 'copy it to an archive first: skopeo copy SOURCE oci-archive:FILE',
      },
    );
  }
  return { kind: 'reference', reference: parseReference(text) };
}

/** The source as a user writes it; parses to the same one. */
export function formatImageSource(source: ImageSource): string {
  if (source.kind === 'reference') return formatFamiliar(source.reference);
  const path = source.kind === 'oci' ? source.dir : source.file;
  const digest = source.kind === 'oci' && source.digest !== undefined ? `@${source.digest}` : '';
  return `${source.kind}:${path}${source.tag === undefined ? '' : `:${source.tag}`}${digest}`;
}

function splitOnce(text: string): [string, string | undefined] {
  const colon = text.indexOf(':');
  return colon === -1 ? [text, undefined] : [text.slice(0, colon), text.slice(colon + 1)];
}

function assertPath(path: string, text: string): string {
  if (path !== '') return path;
  throw new UserError('TSB_REFERENCE', `Cannot parse image name ${JSON.stringify(text)}: no path`);
}
