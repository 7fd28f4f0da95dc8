import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { describeBytes, type Descriptor } from '../oci/descriptor.js';
import { Digester, digestHex } from '../oci/digest.js';
import { ociIndex, parseIndex } from '../oci/image-index.js';
import { encodeJson } from '../oci/json.js';
import { LAYOUT } from '../oci/layout.js';
import { MEDIA_TYPE } from '../oci/media-types.js';
import { WHITEOUT, type LayerDir, type LayerNode } from '../layer/types.js';
import { ImageTree, type TreeNode } from '../overlay/image-tree.js';
import { Overlay } from '../overlay/overlay.js';
import type { CacheMountKey } from '../store/cache-mounts.js';
import type { Store } from '../store/store.js';
import { gzipStream } from '../tar/gzip.js';
import { packLayer } from '../tar/pack.js';
import { displayName, type ByteName } from '../util/byte-name.js';
import { UserError } from '../util/errors.js';
import {
  isDevice,
  CACHE_MOUNTS_TYPE,
  EMPTY_TYPE,
  annotationsOf,
  cacheMountsManifest,
} from './cache-mounts-layout.js';
import { mergeTree } from './merged-tree.js';
import { outputError } from './output-error.js';

/** Caches hold archives for the most part: more effort gains next to nothing. */
const LEVEL = 1;

/** The bytes of a file. */
export interface FileBytes {
  readonly size: number;
  read(into: Buffer, position: number): number;
  nextData(position: number): number | undefined;
  nextHole(position: number): number;
}

/** What to export. */
export interface ExportCacheMounts {
  readonly dest: string;
  /** Those that the store does not have are left out. */
  readonly keys: readonly CacheMountKey[];
  /** The ids of secrets that a file holds and must not. */
  readonly secretsIn?: (file: FileBytes) => readonly string[];
  readonly signal: AbortSignal;
}

/** What was written. */
export interface ExportedCacheMounts {
  readonly count: number;
  readonly bytes: number;
}

/**
 * Writes caches of the store to the directory `dest` as an OCI layout, in place of what was
 * exported there before: the index is replaced last, by one rename. Waits for those that somebody
 * uses. TSB_OUTPUT if something else is there.
 */
export async function exportCacheMounts(
  store: Store,
  { dest, keys, secretsIn, signal }: ExportCacheMounts,
): Promise<ExportedCacheMounts> {
  try {
    assertOurs(dest);
    const blobs = path.join(dest, LAYOUT.blobs);
    fs.mkdirSync(blobs, { recursive: true });
    // At once: what an interrupted export leaves is one of ours.
    if (!fs.existsSync(path.join(dest, LAYOUT.index))) writeIndex(dest, []);
    const layers: Descriptor[] = [];
    for (const key of keys) {
      using lease = await store.cacheMounts.find(key, { signal });
      if (lease === undefined) continue;
      const secrets = (file: FileBytes, name: () => string): void => {
        const [id] = secretsIn?.(file) ?? [];
        if (id !== undefined) throw secretFound(key, id, name());
      };
      const blob = await writeBlob(blobs, packCache(lease.dir, secrets, signal));
      const mediaType = MEDIA_TYPE.ociLayerGzip;
      layers.push({ mediaType, ...blob, annotations: annotationsOf(key) });
    }
    const config = writeBytes(blobs, EMPTY_TYPE, Buffer.from('{}'));
    const document = encodeJson(cacheMountsManifest(config, layers));
    const manifest = writeBytes(blobs, MEDIA_TYPE.ociManifest, document);
    const entry = { ...manifest, artifactType: CACHE_MOUNTS_TYPE };
    writeIndex(dest, [entry]);
    removeOthers(blobs, [config, manifest, ...layers]);
    return { count: layers.length, bytes: layers.reduce((sum, { size }) => sum + size, 0) };
  } catch (error) {
    throw outputError(error, dest);
  }
}

/** A cache's files as the tar of one layer. */
async function* packCache(
  dir: string,
  check: (file: FileBytes, name: () => string) => void,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  using overlay = Overlay.open({
    lowers: [{ kind: 'plain', dir }],
    layerDirOf: (id) => id,
    upperdir: undefined,
  });
  const tree = new ImageTree(overlay);
  const { root, sourceOf } = mergeTree(tree);
  const contentOf = (file: Parameters<typeof sourceOf>[0]): AsyncIterable<Buffer> => {
    const node = sourceOf(file);
    check(bytesOf(tree, node), () =>
      displayName((tree.paths(node)[0] ?? []).join('/') as ByteName),
    );
    return tree.read(node);
  };
  const kept = withoutDevices(root);
  yield* gzipStream(packLayer(kept, { contentOf, signal }), { level: LEVEL });
}

function bytesOf(tree: ImageTree, node: TreeNode): FileBytes {
  const { size } = node;
  return {
    size,
    read: (into, position) => tree.tree.contents.read(node, into, position),
    nextData: (position) => (position < size ? position : undefined),
    nextHole: () => size,
  };
}

function secretFound({ id: cache }: CacheMountKey, id: string, name: string): UserError {
  const message = `Cannot export cache "${cache}": secret "${id}" is in its file "${name}"`;
  return new UserError('TSB_SECRET', message, {
    hint: `Remove it: tsbuild prune --cache-mounts. If it has to go out: --allow-secret-in-layer=${id}`,
  });
}

/** Devices do not work in a cache, and an import refuses them. */
function withoutDevices(dir: LayerDir): LayerDir {
  const entries = new Map<ByteName, LayerNode>();
  for (const [name, node] of dir.entries) {
    if (node === WHITEOUT || isDevice(node.mode)) continue;
    entries.set(name, node.kind === 'dir' ? withoutDevices(node) : node);
  }
  return { ...dir, entries };
}

async function writeBlob(
  dir: string,
  chunks: AsyncIterable<Buffer>,
): Promise<Pick<Descriptor, 'digest' | 'size'>> {
  const temporary = path.join(dir, `.tmp-${randomBytes(8).toString('hex')}`);
  try {
    const digester = new Digester();
    const handle = await fs.promises.open(temporary, 'wx', 0o644);
    try {
      for await (const chunk of chunks) {
        digester.update(chunk);
        await handle.writeFile(chunk);
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    const { size } = digester;
    const digest = digester.digest();
    fs.renameSync(temporary, path.join(dir, digestHex(digest)));
    return { digest, size };
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw error;
  }
}

function writeBytes(dir: string, mediaType: string, bytes: Buffer): Descriptor {
  const descriptor = describeBytes(mediaType, bytes);
  replaceFile(dir, digestHex(descriptor.digest), bytes);
  return descriptor;
}

function replaceFile(dir: string, name: string, bytes: Buffer): void {
  const temporary = path.join(dir, `.tmp-${randomBytes(8).toString('hex')}`);
  fs.writeFileSync(temporary, bytes, { flag: 'wx', mode: 0o644, flush: true });
  fs.renameSync(temporary, path.join(dir, name));
}

function writeIndex(dest: string, entries: readonly Descriptor[]): void {
  replaceFile(dest, LAYOUT.marker, encodeJson({ imageLayoutVersion: LAYOUT.version }));
  replaceFile(dest, LAYOUT.index, encodeJson(ociIndex(entries)));
}

/** INVARIANT: everything in the directory is ours: {@link assertOurs} has seen to that. */
function removeOthers(blobs: string, kept: readonly Descriptor[]): void {
  const names = new Set(kept.map(({ digest }) => digestHex(digest)));
  for (const name of fs.readdirSync(blobs)) {
    if (!names.has(name)) fs.rmSync(path.join(blobs, name), { force: true });
  }
}

/** An empty or absent directory, or what was exported there before. */
function assertOurs(dest: string): void {
  if (!fs.existsSync(dest) || fs.readdirSync(dest).length === 0) return;
  const index = path.join(dest, LAYOUT.index);
  if (fs.existsSync(index)) {
    const { manifests } = parseIndex(fs.readFileSync(index), `'${index}'`);
    if (manifests.every(({ artifactType }) => artifactType === CACHE_MOUNTS_TYPE)) return;
  }
  throw new UserError('TSB_OUTPUT', `Cannot export cache mounts to '${dest}': found other files`, {
    hint: 'Name an empty directory, or one that caches were exported to before',
  });
}
