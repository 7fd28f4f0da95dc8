import type { KeyParts } from '../cache/key.js';
import type { LayerId } from '../layer/types.js';
import { ImageTree } from '../overlay/image-tree.js';
import { byteNameOf } from '../util/byte-name.js';
import { makeDirectory, newDirectoryMeta } from './copy-apply.js';
import { editImage, openOverlay, readAccounts } from './image-access.js';
import { resolveUser } from './image-users.js';
import type { Session } from './session.js';
import type { StageState } from './state.js';
import { isDirectory } from './tree-nodes.js';

/** What the directory of a WORKDIR depends on. */
export function workdirParts(session: Session, state: StageState, directory: string): KeyParts {
  return [
    ['parent', state.key],
    ['instruction', ['WORKDIR', directory]],
    ['user', state.image.config?.User ?? ''],
    ['epoch', session.options.sourceDateEpoch],
  ];
}

/**
 * Makes the directory, with its parents, as the image's user. As in BuildKit that is a layer of
 * its own; undefined, and no layer, if the directory exists.
 */
export async function executeWorkdir(
  session: Session,
  state: StageState,
  directory: string,
): Promise<LayerId | undefined> {
  using overlay = openOverlay(session, state);
  const tree = new ImageTree(overlay);
  const existing = tree.resolve(byteNameOf(directory), { followLast: true });
  if (isDirectory(existing)) return undefined;
  const owner = resolveUser(state.image.config?.User ?? '', readAccounts(tree));
  return await editImage(session, state, (editable) => {
    const { uid, gid } = owner;
    makeDirectory(
      editable,
      byteNameOf(directory),
      newDirectoryMeta({ owner: { uid, gid }, changeMode: undefined }, session.createdMs()),
    );
  });
}
