import { Overlay } from '../overlay/overlay.js';
import { flock } from '../sys/file.js';
import { UserError, messageOf } from '../util/errors.js';
import { OpenDir, assertPair } from './directories.js';
import { KILLED, clearFailure, lossError, noteFailure, reportFailure } from './failure.js';
import { Owners } from './owners.js';
import { serveMount, type OverlayMount, type ServeEvents } from './serve-mount.js';
import { lockDirectory } from './upper-lock.js';
import { WorkArea } from './work-area.js';

/**
 * Mounts, serves until the mount is gone, and writes the changes into the upper directory;
 * aborting `end` unmounts. Throws TSB_NO_SPACE or TSB_OUTPUT if not all could be written.
 */
export async function serveOverlay(
  mount: OverlayMount,
  events: ServeEvents,
  end: AbortSignal,
): Promise<void> {
  using dirs = openDirs(mount);
  const { upper, work } = dirs;
  const owners = new Owners(mount.owners);
  if (upper === undefined || work === undefined) {
    using overlay = openOverlay({ lowers: dirs.lowers, owners });
    await serveMount(mount, overlay, events, end);
    return;
  }
  assertPair(upper, work);
  const { warn } = events;
  const onWait = (): void => warn(`Waiting for another mount of ${upper.name} to be written`);
  await lockDirectory(upper.fd, { signal: end, onWait });
  if (!flock(work.fd, 'exclusive', { wait: false })) {
    throw new UserError(
      'TSB_USAGE',
      `Cannot use workdir '${work.name}': another mount uses it, want one for each upperdir`,
    );
  }
  reportFailure(upper, warn);
  using area = WorkArea.open({
    upper,
    work,
    warn,
    userXattr: mount.userXattr,
    isSynced: mount.isSynced,
    owners,
  });
  const { contentsDir } = area;
  using overlay = openOverlay({ lowers: dirs.lowers, upper, contentsDir, owners });
  // Before the mount is there: whoever sees it may change something at once.
  noteFailure(upper, KILLED);
  try {
    await serveMount(mount, overlay, events, end);
  } finally {
    // What was done until serving failed is kept, too.
    writeChanges(area, overlay, upper);
  }
}

/** Writes, and leaves a note in the upper directory if that fails. */
function writeChanges(area: WorkArea, overlay: Overlay, upper: OpenDir): void {
  try {
    const losses = area.write(overlay);
    if (losses.length > 0) throw lossError(upper, losses);
    clearFailure(upper);
  } catch (error) {
    noteFailure(upper, messageOf(error));
    throw error;
  }
}

/** The directories of a mount, open. */
class MountDirs implements Disposable {
  /** Top first. */
  readonly lowers: OpenDir[] = [];
  upper: OpenDir | undefined;
  work: OpenDir | undefined;

  [Symbol.dispose](): void {
    // Who waits for the lock of the upper directory finds that of the work directory free.
    for (const dir of [...this.lowers, this.work, this.upper]) dir?.[Symbol.dispose]();
  }
}

function openDirs({ lowerdirs, upperdir, workdir }: OverlayMount): MountDirs {
  const dirs = new MountDirs();
  try {
    for (const dir of lowerdirs) dirs.lowers.push(OpenDir.open('lowerdir', dir));
    if (upperdir !== undefined) dirs.upper = OpenDir.open('upperdir', upperdir);
    if (workdir !== undefined) dirs.work = OpenDir.open('workdir', workdir);
    return dirs;
  } catch (error) {
    dirs[Symbol.dispose]();
    throw error;
  }
}

/** What an overlay is made of. */
interface OverlayParts {
  /** Top first. */
  readonly lowers: readonly OpenDir[];
  readonly upper?: OpenDir;
  readonly contentsDir?: string;
  readonly owners: Owners;
}

function openOverlay({ lowers: lowerdirs, upper, contentsDir, owners }: OverlayParts): Overlay {
  const lowers = [...lowerdirs].reverse();
  if (upper !== undefined) lowers.push(upper);
  return Overlay.open({
    lowers: lowers.map((dir) => ({ kind: 'plain', dir: dir.path })),
    layerDirOf: (id) => {
      throw new Error(`Cannot find layer ${id}: want directories only`);
    },
    upperdir: contentsDir,
    plainView: owners,
  });
}
