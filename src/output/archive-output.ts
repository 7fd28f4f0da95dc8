import type { ByteName } from '../util/byte-name.js';
import { byteNameOf } from '../util/byte-name.js';
import { encodeHeader, TYPE } from '../tar/header.js';
import { padded } from '../tar/entry.js';
import { END_BYTES } from '../tar/pack.js';
import type { LayoutFile } from './layout-files.js';
import type { ByteSink } from './replace-path.js';

function header(path: string, { size, dir = false }: { size: number; dir?: boolean }): Buffer {
  return encodeHeader({
    name: byteNameOf(path),
    linkname: '' as ByteName,
    typeflag: dir ? TYPE.directory : TYPE.regular,
    mode: dir ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    mtime: 0,
    devmajor: 0,
    devminor: 0,
    size,
  });
}

/** Writes an archive of these files; the same files give the same bytes. */
export async function writeArchive(sink: ByteSink, files: readonly LayoutFile[]): Promise<void> {
  const known = new Set<string>();
  for (const { path, size, open } of files) {
    const parts = path.split('/').slice(0, -1);
    for (const [index] of parts.entries()) {
      const dir = `${parts.slice(0, index + 1).join('/')}/`;
      if (known.has(dir)) continue;
      known.add(dir);
      await sink.write(header(dir, { size: 0, dir: true }));
    }
    await sink.write(header(path, { size }));
    for await (const chunk of open()) await sink.write(chunk);
    await sink.write(Buffer.alloc(padded(size) - size));
  }
  await sink.write(Buffer.alloc(END_BYTES));
}
