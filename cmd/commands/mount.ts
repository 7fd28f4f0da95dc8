import { spawn } from 'node:child_process';
import { realpathSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { EXIT } from '../../src/util/error-codes.js';
import { UserError, hasCode } from '../../src/util/errors.js';
import { defineCommand, word, type Command, type CommandContext } from '../command.js';
import { findImage } from '../image.js';
import { MOUNT_TYPE } from '../../src/overlay/server-messages.js';
import { withMountedImage, type MountedImage } from '../../src/build/mounted-image.js';
import { FUSE_CHANNEL_OPTION } from '../fuse-channel.js';
import { enterNamespaces } from '../namespaces.js';
import { openStore } from '../store.js';

/** Runs a program of the host with the image as its directory; returns its exit code. */
function runThere(
  argv: readonly string[],
  { mountpoint: directory, signal: abort }: MountedImage,
  context: CommandContext,
): Promise<number> {
  const [file = '', ...rest] = argv;
  context.leaveInterruptsToChild();
  return new Promise((resolve, reject) => {
    const env = { ...context.env, TSBUILD_MOUNT: directory };
    const child = spawn(file, rest, { cwd: directory, stdio: 'inherit', env });
    const onAbort = (): void => void child.kill('SIGTERM');
    abort.addEventListener('abort', onAbort, { once: true });
    child.once('error', (error) =>
      reject(new UserError('TSB_MISSING_TOOL', `Cannot run "${file}": ${error.message}`)),
    );
    child.once('exit', (code, signal) => {
      abort.removeEventListener('abort', onAbort);
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}

/** Waits for SIGINT or SIGTERM, the way to end a mount in the foreground, or its server's end. */
function untilAborted(signal: AbortSignal): Promise<void> {
  const keepAlive = setInterval(() => undefined, 1 << 30);
  return new Promise((resolve) => {
    const done = (): void => {
      clearInterval(keepAlive);
      resolve();
    };
    if (signal.aborted) done();
    else signal.addEventListener('abort', done, { once: true });
  });
}

/** Clears the directory of a dead mount of ours, and sees to it that none is left by this one. */
async function prepareForeground(mountpoint: string, context: CommandContext): Promise<Disposable> {
  const [{ unmountDead }, { guardMount }] = await Promise.all([
    import('../../src/fuse/mount/dead-mount.js'),
    import('../../src/fuse/mount/mount-guard.js'),
  ]);
  const dead = await unmountDead(mountpoint, { type: MOUNT_TYPE });
  if (dead > 0) context.warn(`Unmounted ${mountpoint}: the process that had served it is gone`);
  return guardMount(mountpoint, MOUNT_TYPE);
}

/** The directory to mount on; throws TSB_USAGE unless it is one. */
function mountpointOf(given: string | undefined): string | undefined {
  if (given === undefined) return undefined;
  try {
    const directory = realpathSync(given);
    if (statSync(directory).isDirectory()) return directory;
  } catch (error) {
    // A dead mount, which is taken off before the next.
    if (hasCode(error, 'ENOTCONN')) return path.resolve(given);
    if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw error;
  }
  throw new UserError('TSB_USAGE', `Cannot mount on "${given}": it is not a directory`, {
    hint: `mkdir -p ${given}`,
  });
}

export const mountCommand: Command = defineCommand({
  name: 'mount',
  describe: 'Run a command that sees the files of an image',
  positionals: {
    image: { describe: 'an image of the store' },
    directory: { describe: 'where [a temporary directory]', optional: true },
  },
  options: { 'fuse-channel': FUSE_CHANNEL_OPTION },
  epilogue:
    'tsbuild mount IMAGE [DIR] [-- COMMAND]\n' +
    'The command ($SHELL if there is none) starts in the mounted image, which only it sees;\n' +
    '$TSBUILD_MOUNT is where it is. As root, with DIR and without a command, everybody sees it\n' +
    'until Ctrl-C.',
  async run(args, context) {
    const mountpoint = mountpointOf(args.words['directory']?.[0]);
    const { passedOn } = args;
    const isRoot = process.getuid?.() === 0;
    const isForeground = isRoot && mountpoint !== undefined && passedOn.length === 0;
    if (!isForeground) await enterNamespaces();
    await using store = await openStore(context);
    const { image, name } = await findImage(store, word(args, 'image'));
    const { log, signal } = context;
    using _guard = isForeground ? await prepareForeground(mountpoint, context) : undefined;
    const channel = args.options['fuse-channel'];
    const mount = { store, image, mountpoint, writable: false, channel, log, signal };
    return await withMountedImage(mount, async (mounted) => {
      const argv = passedOn.length > 0 ? passedOn : [context.env['SHELL'] ?? '/bin/sh'];
      if (!isForeground) return await runThere(argv, mounted, context);
      context.warn(`Mounted ${name} on ${mounted.mountpoint}; Ctrl-C unmounts it`);
      await untilAborted(mounted.signal);
      return EXIT.ok;
    });
  },
});
