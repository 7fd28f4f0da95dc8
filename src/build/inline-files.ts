import { createHash } from 'node:crypto';
import { S_IFDIR, S_IFREG } from '../sys/constants.js';
import type { ByteName } from '../util/byte-name.js';
import { byteNameOf } from '../util/byte-name.js';
import type { Placement, SourceFiles, SourceInfo } from './copy-source.js';
import { nodeMeta } from './tree-nodes.js';

/** A heredoc of COPY or ADD; undefined: the directory of them all. */
export type InlineNode = { readonly name: string; readonly data: string } | undefined;

/** The heredocs of one COPY or ADD as a flat directory of files: 0644, root:root. */
export class InlineFiles implements SourceFiles<InlineNode> {
  readonly what = 'the heredocs';
  readonly root = undefined;
  readonly #nodes: readonly NonNullable<InlineNode>[];
  readonly #nowMs: number;

  constructor(nodes: readonly NonNullable<InlineNode>[], nowMs: number) {
    this.#nodes = nodes;
    this.#nowMs = nowMs;
  }

  info(node: InlineNode): SourceInfo {
    const isDir = node === undefined;
    const nowMs = this.#nowMs;
    return {
      kind: isDir ? 'dir' : 'file',
      meta: {
        mode: isDir ? S_IFDIR | 0o755 : S_IFREG | 0o644,
        uid: 0,
        gid: 0,
        xattrs: undefined,
        mtimeSec: Math.floor(nowMs / 1000),
        mtimeNsec: (nowMs % 1000) * 1e6,
        rdevMajor: 0,
        rdevMinor: 0,
      },
      size: isDir ? 0 : Buffer.byteLength(node.data),
      target: undefined,
    };
  }

  child(_dir: InlineNode, name: ByteName): InlineNode {
    return this.#nodes.find((node) => byteNameOf(node.name) === name);
  }

  children(): (readonly [ByteName, InlineNode])[] {
    return this.#nodes.map((node) => [byteNameOf(node.name), node]);
  }

  digest(node: InlineNode): string {
    return createHash('sha256')
      .update(node?.data ?? '')
      .digest('hex');
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- one piece, no waiting
  async *read(node: InlineNode): AsyncGenerator<Buffer> {
    yield Buffer.from(node?.data ?? '');
  }

  identity(): undefined {
    return undefined;
  }

  whyMissing(): string | undefined {
    return undefined;
  }

  async place(node: InlineNode, { tree, parent, name, meta }: Placement): Promise<void> {
    await tree.writeFile(parent, name, nodeMeta(meta), Buffer.from(node?.data ?? ''));
  }
}
