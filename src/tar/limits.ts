import { LAYER_DEPTH_MAX } from '../layer/types.js';
import { UserError } from '../util/errors.js';

/** The named limits of reading an archive. Every one of them ends in `TSB_LIMIT`. */
export interface TarLimits {
  /** Of entries, and of directories that they imply. */
  readonly entriesMax: number;
  /** Names, link targets and xattrs of all entries together: they are kept in memory. */
  readonly metadataBytesMax: number;
  /** Of the uncompressed archive: what a compressed bomb may grow to. */
  readonly unpackedBytesMax: number;
  /** Of the extension headers (PAX, GNU long names) of one entry together. */
  readonly extensionBytesMax: number;
  /** One component of a path. */
  readonly nameBytesMax: number;
  readonly pathBytesMax: number;
  readonly linkTargetBytesMax: number;
  /** Components of a path. */
  readonly depthMax: number;
  readonly xattrNameBytesMax: number;
  readonly xattrValueBytesMax: number;
  /** Names and values of one entry together. */
  readonly xattrsBytesMax: number;
}

/**
 * What no honest layer reaches. Names, link targets and xattr values are the kernel's own limits
 * (NAME_MAX, PATH_MAX, XATTR_SIZE_MAX); 1 MiB of extension headers is also what Go's reader takes.
 */
export const TAR_LIMITS: TarLimits = {
  entriesMax: 4_000_000,
  metadataBytesMax: 512 * 2 ** 20,
  unpackedBytesMax: 128 * 2 ** 30,
  extensionBytesMax: 2 ** 20,
  nameBytesMax: 255,
  pathBytesMax: 32 * 1024,
  linkTargetBytesMax: 4095,
  depthMax: LAYER_DEPTH_MAX,
  xattrNameBytesMax: 255,
  xattrValueBytesMax: 65_536,
  xattrsBytesMax: 512 * 1024,
};

/** Throws `TSB_LIMIT` if `value` passes the limit `name` of `limits`. */
export function assertLimit(
  limits: TarLimits,
  name: keyof TarLimits,
  value: number,
  what: string,
): void {
  if (value <= limits[name]) return;
  throw new UserError(
    'TSB_LIMIT',
    `Cannot unpack layer: ${what}: ${value}, want at most ${limits[name]} (${name})`,
  );
}
