import type { RunResult, RunSpec } from '../../src/exec/run-spec.js';
import type { ContainerConfig } from '../../src/oci/config.js';
import { UserError } from '../../src/util/errors.js';
import { defineCommand, word, type Command, type CommandContext, type Parsed } from '../command.js';
import { findImage } from '../image.js';
import { withMountedImage, type MountedImage } from '../../src/build/mounted-image.js';
import { FUSE_CHANNEL_OPTION } from '../fuse-channel.js';
import { enterNamespaces } from '../namespaces.js';
import { parsePairs } from '../pairs.js';
import { openStore } from '../store.js';
import type { Store } from '../../src/store/store.js';

const HOSTNAME = 'tsbuild';

const OPTIONS = {
  env: { type: 'string', alias: 'e', array: true, describe: 'NAME=VALUE; NAME: from here' },
  user: { type: 'string', alias: 'u', describe: "user[:group] [the image's]" },
  workdir: { type: 'string', alias: 'w', describe: "Directory to start in [the image's]" },
  entrypoint: { type: 'string', describe: "Program instead of the image's; '' for none" },
  network: { type: 'string', choices: ['host', 'none'], describe: 'Its network [host]' },
  'fuse-channel': FUSE_CHANNEL_OPTION,
} as const;

type Options = Parsed<typeof OPTIONS>;

/** What to run: the entrypoint and the words after it, or the image's own command. */
function argvOf(
  config: ContainerConfig | undefined,
  entrypoint: string | undefined,
  passedOn: readonly string[],
): string[] {
  const given = entrypoint === '' ? [] : [entrypoint];
  const first = entrypoint === undefined ? (config?.Entrypoint ?? []) : given;
  // A new entrypoint does not go with the image's arguments.
  const rest = passedOn.length > 0 || entrypoint !== undefined ? passedOn : (config?.Cmd ?? []);
  const argv = [...first, ...rest].filter((arg) => arg !== undefined);
  if (argv.length > 0) return argv;
  throw new UserError('TSB_USAGE', 'Cannot run the image: it has no command of its own', {
    hint: 'tsbuild run IMAGE COMMAND',
  });
}

/** Whether the caller's terminal can be handed on as it is. */
function isTerminal(): boolean {
  return process.stdin.isTTY && process.stdout.isTTY && process.stderr.isTTY;
}

async function specOf(
  { mountpoint, layers }: MountedImage,
  config: ContainerConfig | undefined,
  args: { options: Options; passedOn: readonly string[] },
  { store, env }: { store: Store; env: NodeJS.ProcessEnv },
): Promise<RunSpec> {
  const [{ readAccounts }, { resolveUser }, { DEFAULT_PATH }, { Overlay }, { ImageTree }] =
    await Promise.all([
      import('../../src/build/image-access.js'),
      import('../../src/build/image-users.js'),
      import('../../src/build/scope.js'),
      import('../../src/overlay/overlay.js'),
      import('../../src/overlay/image-tree.js'),
    ]);
  using overlay = Overlay.open({
    lowers: layers.map((id) => ({ kind: 'indexed', id })),
    layerDirOf: (id) => store.layers.dirOf(id),
    upperdir: undefined,
  });
  const { options, passedOn } = args;
  const accounts = readAccounts(new ImageTree(overlay));
  const { uid, gid, groups, home } = resolveUser(options.user ?? config?.User ?? '', accounts);
  const terminal = isTerminal();
  return {
    rootfs: mountpoint,
    argv: argvOf(config, options.entrypoint, passedOn),
    env: {
      PATH: DEFAULT_PATH,
      HOME: home,
      HOSTNAME,
      ...(terminal && env['TERM'] !== undefined && { TERM: env['TERM'] }),
      ...parsePairs(config?.Env ?? [], 'Env', () => ''),
      ...parsePairs(options.env ?? [], '--env', (name) => env[name]),
    },
    cwd: options.workdir ?? (config?.WorkingDir || '/'),
    user: { uid, gid, groups: [...groups] },
    network: options.network ?? 'host',
    hostname: HOSTNAME,
    stdin: 'inherit',
    tty: terminal,
  };
}

async function execute(
  spec: RunSpec,
  signal: AbortSignal,
  context: CommandContext,
): Promise<RunResult> {
  const { runCommand } = await import('../../src/exec/run.js');
  if (spec.tty === true) context.leaveInterruptsToChild();
  return await runCommand(spec, {
    signal,
    onOutput: (stream, chunk) => {
      process[stream].write(chunk);
    },
  });
}

export const runCommandCommand: Command = defineCommand({
  name: 'run',
  isNamespaced: () => true,
  describe: 'Run a command in an image',
  positionals: { image: { describe: 'an image of the store' } },
  options: OPTIONS,
  passOnAfter: 1,
  epilogue:
    "The words after IMAGE are the command. What it writes is thrown away. Exits with the command's status.",
  async run(args, context) {
    await enterNamespaces();
    const { MOUNT_POINTS } = await import('../../src/exec/run-spec.js');
    await using store = await openStore(context);
    const { image } = await findImage(store, word(args, 'image'));
    const { log, signal, env } = context;
    const channel = args.options['fuse-channel'];
    const mount = { store, image, writable: true, synthetic: MOUNT_POINTS, channel, log, signal };
    return await withMountedImage(mount, async (mounted) => {
      const spec = await specOf(mounted, image.config.config, args, { store, env });
      return (await execute(spec, mounted.signal, context)).exitCode;
    });
  },
});
