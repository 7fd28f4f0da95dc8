import { CanonicalHash, cacheKeyOf, type CacheKey, type KeyValue } from '../cache/key.js';
import { findContentLayer, putContentLayer } from '../cache/records.js';
import type { LayerId } from '../layer/types.js';
import { byteNameOf } from '../util/byte-name.js';
import { UserError } from '../util/errors.js';
import type { CopyGroup } from './copy-group.js';
import { gather } from './copy-group.js';
import type { Match, SourceFiles, SourceInfo } from './copy-source.js';
import { findPath } from './copy-source.js';
import { makeFiles } from './image-access.js';
import type { Session } from './session.js';
import type { StageState } from './state.js';
import { nodeMeta } from './tree-nodes.js';

/** Files in layers: what a mount of them shows. */
export interface LayeredFiles {
  /** Base first. */
  readonly layers: readonly LayerId[];
  /** Where in them, without a leading slash; empty: their root. */
  readonly path: string;
}

/** What a mount of a RUN shows of the context, a stage or an image. */
export interface MountFiles {
  readonly kind: 'dir' | 'file';
  /** Identifies the content. */
  readonly key: KeyValue;
  /** Makes layers of it, where there are none. */
  layered(): Promise<LayeredFiles>;
}

/** All files of a stage or an image: its layers as they are. */
export function wholeState(state: StageState): MountFiles {
  const layers = state.layers.map(({ id }) => id);
  return {
    kind: 'dir',
    key: ['state', state.key],
    layered: () => Promise.resolve({ layers, path: '' }),
  };
}

/**
 * One file or directory of `files`, frozen as it is now: its content becomes a layer when it is
 * needed, and is found again by its digest. Symlinks on the way stay below the root. Throws
 * UserError TSB_COPY if there is no such thing. `files` must stay open.
 */
export async function partOf<Node>(
  session: Session,
  files: SourceFiles<Node>,
  source: string,
): Promise<MountFiles> {
  const [match] = find(files, source);
  const info = match && files.info(match.node);
  if (match === undefined || info === undefined || (info.kind !== 'dir' && info.kind !== 'file')) {
    throw new UserError('TSB_COPY', `Cannot mount "${source}": want a file or a directory`);
  }
  const group = await gather(files, [match], { signal: session.signal, unpack: false, filter: {} });
  const { mode, uid, gid } = info.meta;
  const own = info.kind === 'dir' ? [mode, uid, gid] : [];
  const digest = new CanonicalHash()
    .add(await group.digest(undefined))
    .add(own)
    .hex();
  const key = cacheKeyOf([['mounted-files', digest]]);
  return {
    kind: info.kind,
    key: ['content', digest],
    layered: async () => {
      const layer = await layerOf(session, { group, info, key, name: digest });
      return { layers: [layer], path: digest };
    },
  };
}

function find<Node>(files: SourceFiles<Node>, source: string): Match<Node>[] {
  try {
    return [findPath(files, source)];
  } catch (error) {
    if (!(error instanceof UserError) || error.code !== 'TSB_COPY') throw error;
    const { hint, message } = error;
    throw new UserError('TSB_COPY', message.replace(/^Cannot copy/, 'Cannot mount'), {
      ...(hint !== undefined && { hint }),
      cause: error,
    });
  }
}

/** The layer that holds the files under `name`. */
async function layerOf(
  session: Session,
  { group, info, key, name }: { group: CopyGroup; info: SourceInfo; key: CacheKey; name: string },
): Promise<LayerId> {
  const known = await findContentLayer(session.records, key);
  if (known !== undefined && session.store.layers.has(known)) return known;
  const { signal } = session;
  const destination = { path: `/${name}`, isDirectory: false, several: false };
  const changes = { owner: undefined, changeMode: undefined };
  const layer = await makeFiles(session, async (tree) => {
    await group.copy({ tree, destination, changes, nowMs: 0, signal });
    const node = tree.child(tree.root, byteNameOf(name));
    // Last: what is put into the directory moves its time.
    if (node?.isDir === true) tree.setMeta(node, nodeMeta(info.meta));
  });
  await putContentLayer(session.records, key, layer);
  return layer;
}
