import path from 'node:path';
import type { LayerId } from '../layer/types.js';
import type { TreeNode } from '../overlay/image-tree.js';
import { ImageTree } from '../overlay/image-tree.js';
import { Overlay } from '../overlay/overlay.js';
import { byteNameOf } from '../util/byte-name.js';
import { hasCode } from '../util/errors.js';
import type { SourceRange } from '../util/errors.js';
import type { Accounts } from './image-users.js';
import { parseGroup, parsePasswd } from './image-users.js';
import type { Session } from './session.js';
import type { StageState } from './state.js';
import { lowersOf } from './state.js';
import { kindOfMode } from './tree-nodes.js';

/** Whatever an image has as /etc/passwd, no more of it is read. */
const ACCOUNT_FILE_BYTES_MAX = 8 * 1024 * 1024;

/** Opens the files of a state for reading; the caller disposes of the overlay. */
export function openOverlay(session: Session, state: StageState): Overlay {
  return Overlay.open({
    lowers: lowersOf(state),
    layerDirOf: (id) => session.store.layers.dirOf(id),
    upperdir: undefined,
  });
}

/** Hands the accounts of a state's image to `work`. */
export function withAccounts<T>(
  session: Session,
  state: StageState,
  work: (accounts: Accounts) => T,
): T {
  using overlay = openOverlay(session, state);
  return work(readAccounts(new ImageTree(overlay)));
}

/** The accounts of an image; empty lists where it has none. */
export function readAccounts(tree: ImageTree): Accounts {
  return {
    users: parsePasswd(readText(tree, '/etc/passwd')),
    groups: parseGroup(readText(tree, '/etc/group')),
  };
}

/**
 * Edits the files of a state in-process and publishes what changed as a layer. `alone`: the layer
 * is made without a look at what is below it (`COPY --link`). `source`: the COPY or ADD's.
 */
export async function editImage(
  session: Session,
  state: Pick<StageState, 'layers'>,
  edit: (tree: ImageTree) => void | Promise<void>,
  { alone = false, source }: { alone?: boolean; source?: SourceRange } = {},
): Promise<LayerId> {
  using work = session.store.work.create();
  const upperdir = path.join(work.path, 'layer');
  using overlay = Overlay.open({
    lowers: alone ? [] : lowersOf(state),
    layerDirOf: (id) => session.store.layers.dirOf(id),
    upperdir,
  });
  await edit(new ImageTree(overlay));
  await overlay.commitInThread({ mtimeMax: session.mtimeMax, impliedRoot: alone });
  session.signal.throwIfAborted();
  return await session.guard.publish(upperdir, {
    lowers: state.layers.map(({ id }) => id),
    source,
    copied: source !== undefined,
  });
}

/**
 * Makes a layer that is part of no image, to be mounted: it may hold what an image must not (a
 * secret of the build context), and keeps its times.
 */
export async function makeFiles(
  session: Session,
  make: (tree: ImageTree) => Promise<void>,
): Promise<LayerId> {
  using work = session.store.work.create();
  const upperdir = path.join(work.path, 'layer');
  const layerDirOf = (id: LayerId): string => session.store.layers.dirOf(id);
  using overlay = Overlay.open({ lowers: [], layerDirOf, upperdir });
  await make(new ImageTree(overlay));
  await overlay.commitInThread();
  session.signal.throwIfAborted();
  return session.store.layers.publish(upperdir);
}

/** The permission bits of what is at paths; undefined: nothing, or the path leads nowhere. */
export function findPlaces(
  tree: ImageTree,
  paths: readonly string[],
): ReadonlyMap<string, number | undefined> {
  const placeOf = (path: string): number | undefined => {
    const node = findNode(tree, path);
    return node && node.mode & 0o7777;
  };
  return new Map(paths.map((path) => [path, placeOf(path)]));
}

function readText(tree: ImageTree, file: string): string {
  const node = findNode(tree, file);
  if (node === undefined || kindOfMode(node.mode) !== 'file') return '';
  return tree.readAll(node, ACCOUNT_FILE_BYTES_MAX).toString('utf8');
}

/** The node at a path; undefined also where the path cannot be followed. */
function findNode(tree: ImageTree, file: string): TreeNode | undefined {
  try {
    return tree.resolve(byteNameOf(file), { followLast: true });
  } catch (error) {
    if (hasCode(error, 'ENOTDIR', 'ELOOP')) return undefined;
    throw error;
  }
}
