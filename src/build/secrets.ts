import { O_NONBLOCK, O_RDONLY } from '../sys/constants.js';
import { openat, preadFull } from '../sys/file.js';
import { fstat } from '../sys/stat.js';
import { hasCode, messageOf, UserError } from '../util/errors.js';

/** Of one secret; BuildKit's limit. */
export const SECRET_BYTES_MAX: number = 500 * 1024;

/** Where a secret is: in a regular file that is read when it is needed, or given as it is. */
export type SecretSource =
  | { readonly id: string; readonly kind: 'file'; readonly path: string }
  | { readonly id: string; readonly kind: 'value'; readonly value: string | Buffer };

/** A secret that was read. */
export interface LoadedSecret {
  readonly id: string;
  readonly bytes: Buffer;
  /** Changes with the bytes, and tells nothing of them; undefined: not known. */
  readonly state: string | undefined;
}

/** The secrets of one build. The only place that holds their bytes; nothing else keeps them. */
export class SecretStore {
  readonly #sources: ReadonlyMap<string, SecretSource>;
  readonly #loaded = new Map<string, LoadedSecret>();

  /** Of two sources with one id the last counts. */
  constructor(sources: readonly SecretSource[]) {
    this.#sources = new Map(sources.map((source) => [source.id, source]));
  }

  /** The ids that can be asked for. */
  get ids(): readonly string[] {
    return [...this.#sources.keys()];
  }

  /** The bytes of a secret, read once; undefined: nobody gave it. Throws UserError TSB_CONTEXT. */
  get(id: string): Buffer | undefined {
    return this.#load(id)?.bytes;
  }

  /** All secrets that can be read. One that cannot fails the step that asks for it. */
  readable(): readonly LoadedSecret[] {
    return this.ids.flatMap((id) => {
      try {
        const loaded = this.#load(id);
        return loaded === undefined ? [] : [loaded];
      } catch (error) {
        if (hasCode(error, 'TSB_CONTEXT', 'TSB_LIMIT')) return [];
        throw error;
      }
    });
  }

  #load(id: string): LoadedSecret | undefined {
    const known = this.#loaded.get(id);
    if (known !== undefined) return known;
    const source = this.#sources.get(id);
    if (source === undefined) return undefined;
    const loaded =
      source.kind === 'value'
        ? { id, bytes: Buffer.from(source.value), state: undefined }
        : readSecret(source);
    if (loaded.bytes.length > SECRET_BYTES_MAX) throw secretTooLarge(id);
    this.#loaded.set(id, loaded);
    return loaded;
  }
}

function readSecret({ id, path }: Extract<SecretSource, { kind: 'file' }>): LoadedSecret {
  const buffer = Buffer.alloc(SECRET_BYTES_MAX + 1);
  try {
    using fd = openat(undefined, path, O_RDONLY | O_NONBLOCK);
    const { dev, ino, size, ctimeSec, ctimeNsec } = fstat(fd);
    const bytes = Buffer.from(buffer.subarray(0, preadFull(fd, buffer, 0)));
    return { id, bytes, state: [dev, ino, size, ctimeSec, ctimeNsec].join(' ') };
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'EISDIR', 'ESPIPE')) throw error;
    throw new UserError('TSB_CONTEXT', `Cannot read secret "${id}": ${messageOf(error)}`, {
      hint: `Pass a file that you may read: --secret id=${id},src=FILE`,
      cause: error,
    });
  } finally {
    buffer.fill(0);
  }
}

/** The error TSB_LIMIT for a secret of more than {@link SECRET_BYTES_MAX}. */
export function secretTooLarge(id: string): UserError {
  const message = `Cannot use secret "${id}": found more than ${SECRET_BYTES_MAX} bytes`;
  return new UserError('TSB_LIMIT', message);
}
