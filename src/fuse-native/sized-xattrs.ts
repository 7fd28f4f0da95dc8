import { errnoNumber } from '../sys/errno.js';
import type { FuseNative, PathOperations } from './package.js';

const ENODATA = -errnoNumber('ENODATA');
const ERANGE = -errnoNumber('ERANGE');

type Signal = (result: number, buffer: ArrayBufferLike) => void;

/**
 * The package's class with GETXATTR and LISTXATTR mended: its own copy what fits, and then claim
 * more than there is room for.
 */
export function sizedXattrs(Package: FuseNative): FuseNative {
  return class extends Package {
    readonly #operations: PathOperations;

    constructor(...[mountpoint, operations, options]: ConstructorParameters<FuseNative>) {
      super(mountpoint, operations, options);
      this.#operations = operations;
    }

    _op_getxattr(signal: Signal, path: string, name: string, room: Buffer): void {
      this.#operations.getxattr?.(path, name, 0, (result, value) => {
        if (result < 0) signal(result, room.buffer);
        else if (value === undefined) signal(ENODATA, room.buffer);
        else answer(signal, room, value);
      });
    }

    _op_listxattr(signal: Signal, path: string, room: Buffer): void {
      this.#operations.listxattr?.(path, (result, names) => {
        if (result < 0) signal(result, room.buffer);
        else answer(signal, room, Buffer.from((names ?? []).map((name) => `${name}\0`).join('')));
      });
    }
  };
}

/** The value's size where the caller gave no room, else the value. */
function answer(signal: Signal, room: Buffer, value: Buffer): void {
  if (room.length > 0 && value.length > room.length) {
    signal(ERANGE, room.buffer);
    return;
  }
  value.copy(room);
  signal(value.length, room.buffer);
}
