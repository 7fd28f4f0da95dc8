import type { LayerDir } from '../layer/types.js';
import { padded } from './entry.js';
import { END_BYTES, PACK_CHUNK_BYTES, wrongSize } from './pack.js';
import { packHeaders, type FileNode, type PackHeaderOptions } from './pack-headers.js';

/** How to pack a layer without an event loop. */
export interface PackSyncOptions extends PackHeaderOptions {
  /** Reads from `position` of a file into the whole of `into`, or up to its end. */
  readonly read: (file: FileNode, into: Buffer, position: number) => number;
  /** Takes the next bytes; they are overwritten afterwards. */
  readonly sink: (bytes: Buffer) => void;
}

/**
 * The same bytes as `packLayer`, for a thread that has nothing else to do: contents are read
 * straight into the one buffer that the sink sees.
 */
export function packLayerSync(root: LayerDir, options: PackSyncOptions): void {
  const buffer = Buffer.allocUnsafeSlow(PACK_CHUNK_BYTES);
  let used = 0;
  const flush = (): void => {
    if (used > 0) options.sink(buffer.subarray(0, used));
    used = 0;
  };
  const put = (bytes: Buffer): void => {
    for (let at = 0; at < bytes.length;) {
      if (used === buffer.length) flush();
      const count = bytes.copy(buffer, used, at);
      used += count;
      at += count;
    }
  };
  const zeros = (size: number): void => {
    for (let rest = size; rest > 0;) {
      if (used === buffer.length) flush();
      const count = Math.min(rest, buffer.length - used);
      buffer.fill(0, used, used + count);
      used += count;
      rest -= count;
    }
  };
  for (const { head, file } of packHeaders(root, options)) {
    put(head);
    if (file === undefined) continue;
    for (let position = 0; position < file.size;) {
      if (used === buffer.length) flush();
      const want = Math.min(file.size - position, buffer.length - used);
      const count = options.read(file, buffer.subarray(used, used + want), position);
      if (count < want) throw wrongSize(position + count, file.size);
      used += count;
      position += count;
    }
    zeros(padded(file.size) - file.size);
  }
  zeros(END_BYTES);
  flush();
}
