import { createHash } from 'node:crypto';
import type { TreeNode } from '../overlay/image-tree.js';
import { ImageTree } from '../overlay/image-tree.js';
import { Overlay } from '../overlay/overlay.js';
import type { ImageConfig } from '../oci/config.js';
import type { ImageRecord } from '../store/images.js';
import type { Store } from '../store/store.js';
import { decompress } from '../tar/decompress.js';
import { readEntries } from '../tar/reader.js';
import { displayName, type ByteName } from '../util/byte-name.js';

/** The parts of an image that a report describes. */
export interface ImageFacts {
  readonly config: ImageConfig;
  readonly annotations: Readonly<Record<string, string>>;
  /** For each layer the paths of its entries, sorted; `b => a` is a hard link to a. */
  readonly layers: readonly (readonly string[])[];
  /** Each file below the root in one line: type, mode, owner, time, content, xattrs, links. */
  readonly files: ReadonlyMap<string, string>;
}

/** Files of text up to this size are shown. */
const TEXT_BYTES_MAX = 400;
const S_IFMT = 0o170000;
const S_IFLNK = 0o120000;
const KINDS: Readonly<Record<number, string>> = {
  0o040000: 'dir',
  0o020000: 'chr',
  0o060000: 'blk',
  0o010000: 'fifo',
  0o140000: 'sock',
  [S_IFLNK]: 'symlink',
};

/** Reads an image of the store as a builder left it: true owners, whoever built. */
export async function readImage(
  store: Store,
  record: ImageRecord,
  /** Paths below the root (no leading slash) to leave out, with all below them. */
  exclude: readonly string[],
): Promise<ImageFacts> {
  const { config, layers, manifest } = await store.loadImage(record);
  const lowers = layers.map(({ diffId, descriptor }) => {
    const id = store.layers.findByDiffId(diffId);
    if (id === undefined) throw new Error(`layer ${descriptor.digest} is not in the store`);
    return { kind: 'indexed' as const, id };
  });
  using overlay = Overlay.open({
    lowers,
    layerDirOf: (id) => store.layers.dirOf(id),
    upperdir: undefined,
  });
  const lists: string[][] = [];
  for (const { descriptor } of layers) {
    lists.push(await listLayer(store.openLayerBlob(descriptor)));
  }
  return {
    config,
    annotations: manifest.annotations ?? {},
    layers: lists,
    files: await listFiles(new ImageTree(overlay), exclude),
  };
}

/**
 * What an image has over its base, as text: settings that differ, history, the entries of each
 * layer, files that were added or changed (`+`) or removed (`-`). An image that is not made from
 * the base is told as a whole.
 */
export function reportImage(image: ImageFacts, base: ImageFacts): string {
  if (!isMadeFrom(image, base)) return reportImage(image, nothing(base));
  const [settings, baseSettings] = [settingsOf(image), settingsOf(base)];
  const lines = ['config'];
  for (const key of [...new Set([...settings.keys(), ...baseSettings.keys()])].sort()) {
    const value = settings.get(key);
    if (value !== baseSettings.get(key)) lines.push(`  ${key} ${value ?? 'none'}`);
  }
  for (const [key, value] of Object.entries(image.annotations)) {
    lines.push(`  annotation ${key}=${value}`);
  }
  lines.push('history');
  for (const entry of image.config.history?.slice(base.config.history?.length ?? 0) ?? []) {
    lines.push(`  ${entry.empty_layer === true ? ' ' : '*'} ${entry.created_by ?? ''}`.trimEnd());
  }
  for (const layer of image.layers.slice(base.layers.length)) {
    lines.push('layer', ...layer.map((entry) => `  ${entry}`));
  }
  lines.push('files');
  for (const name of [...new Set([...image.files.keys(), ...base.files.keys()])].sort()) {
    const line = image.files.get(name);
    if (line === base.files.get(name)) continue;
    lines.push(line === undefined ? `  - /${name}` : `  + /${name} ${line}`);
  }
  return `${lines.join('\n')}\n`;
}

function isMadeFrom(image: ImageFacts, base: ImageFacts): boolean {
  const [own, theirs] = [image.config.rootfs.diff_ids, base.config.rootfs.diff_ids];
  return theirs.every((digest, index) => own[index] === digest);
}

function nothing({ config }: ImageFacts): ImageFacts {
  const { config: _, author: __, history: ___, ...rest } = config;
  const empty = { ...rest, rootfs: { type: 'layers' as const, diff_ids: [] } };
  return { config: empty, annotations: {}, layers: [], files: new Map() };
}

function settingsOf({ config }: ImageFacts): Map<string, string> {
  const { architecture, author } = config;
  const settings = Object.entries({ ...config.config, author, architecture });
  return new Map(
    settings.flatMap(([key, value]) => (value === undefined ? [] : [[key, JSON.stringify(value)]])),
  );
}

async function listLayer(blob: AsyncIterable<Buffer>): Promise<string[]> {
  const names: string[] = [];
  for await (const { entry } of readEntries(decompress(blob))) {
    const name = displayName(entry.path);
    names.push(entry.type === 'link' ? `${name} => ${displayName(entry.linkname)}` : name);
  }
  return names.sort();
}

async function listFiles(
  tree: ImageTree,
  exclude: readonly string[],
): Promise<Map<string, string>> {
  const lines = new Map<string, string>();
  const firstNames = new Map<TreeNode, string>();
  const visit = async (node: TreeNode, name: string): Promise<void> => {
    if (exclude.includes(name)) return;
    const line = await describe(tree, node);
    const first = firstNames.get(node) ?? name;
    firstNames.set(node, first);
    lines.set(name, !node.isDir && node.nlink > 1 ? `${line} link(${first})` : line);
    if (!node.isDir) return;
    for (const [child, inner] of tree.children(node)) {
      const text = displayName(child);
      await visit(inner, name === '' ? text : `${name}/${text}`);
    }
  };
  await visit(tree.root, '');
  return lines;
}

async function describe(tree: ImageTree, node: TreeNode): Promise<string> {
  const type = node.mode & S_IFMT;
  const kind = KINDS[type] ?? 'file';
  const fields = [kind, (node.mode & 0o7777).toString(8), `${node.uid}:${node.gid}`];
  fields.push(String(node.mtimeSec));
  if (kind === 'chr' || kind === 'blk') fields.push(`rdev=${node.rdev}`);
  if (kind === 'symlink') fields.push(`-> ${displayName(tree.readlink(node))}`);
  if (kind === 'file') fields.push(await contentOf(tree, node));
  const xattrs = [...(tree.xattrs(node) ?? new Map<ByteName, Buffer>())];
  for (const [name, value] of xattrs) fields.push(`${displayName(name)}=${value.toString('hex')}`);
  return fields.join(' ');
}

/** A short text as it is; else size and the digest's beginning. */
async function contentOf(tree: ImageTree, node: TreeNode): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of tree.read(node)) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const text = bytes.toString('utf8');
  if (bytes.length <= TEXT_BYTES_MAX && /^[\n\t\x20-\x7e]*$/.test(text)) {
    return JSON.stringify(text);
  }
  const digest = createHash('sha256').update(bytes).digest('hex');
  return `${bytes.length} ${digest.slice(0, 16)}`;
}
