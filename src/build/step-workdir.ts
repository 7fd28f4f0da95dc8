import type { KeyParts } from '../cache/key.js';
import type { LayerId } from '../layer/types.js';
import { ImageTree, type TreeNode } from '../overlay/image-tree.js';
import { byteNameOf } from '../util/byte-name.js';
import { hasCode, UserError } from '../util/errors.js';
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
  const existing = find(tree, directory);
  if (isDirectory(existing)) return undefined;
  if (existing !== undefined) throw noDirectory(directory, 'it is a file');
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

function find(tree: ImageTree, directory: string): TreeNode | undefined {
  try {
    return tree.resolve(byteNameOf(directory), { followLast: true });
  } catch (error) {
    if (hasCode(error, 'ENOTDIR')) throw noDirectory(directory, 'a file is on the way');
    if (hasCode(error, 'ELOOP')) throw noDirectory(directory, 'found a loop of symbolic links');
    throw error;
  }
}

function noDirectory(directory: string, found: string): UserError {
  const message = `Cannot use WORKDIR "${directory}": ${found}, want a directory or nothing there`;
  return new UserError('TSB_BUILD', message, { hint: 'Write the path of a directory' });
}
