import assert from 'node:assert/strict';

import { WHITEOUT, type ContentRef, type LayerDir, type LayerNode } from '../layer/types.js';
import { unpackLayer, type UnpackOptions } from '../tar/unpack.js';
import { byteNameOf } from '../util/byte-name.js';
import { chunksOf, type ArchiveEntry } from './tar-archive.js';

/** Takes the contents of a layer, in memory. */
export class MemoryWriter {
  readonly contents: Buffer[] = [];

  appendPack(bytes: Buffer): ContentRef & { kind: 'pack' } {
    this.contents.push(bytes);
    return { kind: 'pack', layer: undefined, offset: this.contents.length - 1 };
  }

  async writeContent(
    _size: number,
    chunks: AsyncIterable<Buffer> | Iterable<Buffer>,
  ): Promise<ContentRef> {
    const parts: Buffer[] = [];
    for await (const chunk of chunks) parts.push(Buffer.from(chunk));
    return this.appendPack(Buffer.concat(parts));
  }
}

/** Unpacks an archive in memory; `files` reads a file of it. */
export async function unpack(
  bytes: Buffer,
  options: Partial<UnpackOptions> = {},
  chunkSize = 65536,
): Promise<{ root: LayerDir; files: (path: string) => string }> {
  const writer = new MemoryWriter();
  const unpacked = await unpackLayer(chunksOf(bytes, chunkSize), { writer, ...options });
  const files = (path: string): string => {
    const node = find(unpacked.root, path);
    assert(typeof node === 'object' && node.kind === 'file');
    return node.content?.kind === 'pack'
      ? (writer.contents[node.content.offset]?.toString() ?? '')
      : '';
  };
  return { root: unpacked.root, files };
}

/** What a tree has under a path. */
export function find(root: LayerDir, path: string): LayerNode | typeof WHITEOUT | undefined {
  let node: LayerNode | typeof WHITEOUT | undefined = root;
  for (const name of path.split('/').filter(Boolean)) {
    assert(node !== undefined && node !== WHITEOUT && node.kind === 'dir');
    node = node.entries.get(byteNameOf(name));
  }
  return node;
}

/** The paths of implied directories. */
export function impliedOf(dir: LayerDir, path = ''): string[] {
  const below = [...dir.entries].flatMap(([name, node]) =>
    node !== WHITEOUT && node.kind === 'dir'
      ? impliedOf(node, path === '' ? name : `${path}/${name}`)
      : [],
  );
  return dir.implied === true ? [path, ...below] : below;
}

/** The entry of a directory. */
export function dir(name: string, mode = 0o755): ArchiveEntry {
  return { name, typeflag: '5', mode };
}
