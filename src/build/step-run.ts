import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { KeyParts } from '../cache/key.js';
import { sortedPairs } from '../cache/key.js';
import type { RunCommandLine, RunInstruction } from '../dockerfile/ast.js';
import type { OutputHandler, RunSpec } from '../exec/run-spec.js';
import { MOUNT_POINTS } from '../exec/run-spec.js';
import { runCommand } from '../exec/run.js';
import type { LayerId } from '../layer/types.js';
import { commandArgv } from './container-settings.js';
import { withAccounts } from './image-access.js';
import type { ResolvedUser } from './image-users.js';
import { resolveUser } from './image-users.js';
import type { NetworkMode } from './options.js';
import { OutputTail, RunFailedError } from './run-failed.js';
import type { RunningVertex } from './progress.js';
import { DEFAULT_PATH, keyedEnvironment, proxyEnvironment, visibleArgs } from './scope.js';
import type { Session } from './session.js';
import type { StageState } from './state.js';
import { lowersOf } from './state.js';

/** The name that a RUN's host has. Part of CACHE_FORMAT_VERSION's meaning. */
export const RUN_HOSTNAME = 'tsbuild';

/** A RUN in a stage's state. */
export interface RunStep {
  readonly instruction: RunInstruction;
  readonly state: StageState;
}

/** What the result of a RUN depends on. Proxy arguments are left out, as in Docker. */
export function runParts(session: Session, { instruction, state }: RunStep): KeyParts {
  const { config } = state.image;
  const { command } = instruction;
  const text =
    command.form === 'script' ? ['script', command.name, command.text] : argvOf(state, command);
  return [
    ['parent', state.key],
    ['instruction', ['RUN', command.form, ...text]],
    ['args', sortedPairs(visibleArgs(state.scope))],
    ['env', sortedPairs(keyedEnvironment(state.scope))],
    ['user', config?.User ?? ''],
    ['workdir', config?.WorkingDir ?? '/'],
    ['network', networkOf(session, instruction)],
    ['epoch', session.options.sourceDateEpoch],
  ];
}

/** Runs the command in a mount of its own and publishes what it changed. */
export async function executeRun(
  session: Session,
  step: RunStep,
  running: RunningVertex,
): Promise<LayerId> {
  const { state } = step;
  const user = withAccounts(session, state, (accounts) =>
    resolveUser(state.image.config?.User ?? '', accounts),
  );
  return await session.servers.use(async ({ server, helper }) => {
    using work = session.store.work.create();
    const mountpoint = path.join(work.path, 'mnt');
    const upperdir = path.join(work.path, 'layer');
    mkdirSync(mountpoint);
    await using mount = await server.mount({
      lowers: lowersOf(state),
      layerDirs: session.store.layers.root,
      synthetic: MOUNT_POINTS,
      mountpoint,
      upperdir,
    });
    const tail = new OutputTail();
    const spec = specOf(session, step, { rootfs: mountpoint, user });
    const onOutput: OutputHandler = (stream, chunk) => {
      tail.add(chunk);
      running.output(stream, chunk);
    };
    const result = await mount.use(session.signal, (signal) =>
      runCommand(spec, { signal, helper, onOutput }),
    );
    if (result.exitCode !== 0 || result.signal !== undefined) {
      throw new RunFailedError({ instruction: step.instruction, result, tail: tail.text() });
    }
    await mount.commit({ mtimeMax: session.mtimeMax });
    return session.store.layers.publish(upperdir);
  });
}

function specOf(
  session: Session,
  { instruction, state }: RunStep,
  { rootfs, user }: { rootfs: string; user: ResolvedUser },
): RunSpec {
  const { command } = instruction;
  return {
    rootfs,
    argv: argvOf(state, command),
    env: {
      PATH: DEFAULT_PATH,
      HOME: user.home,
      HOSTNAME: RUN_HOSTNAME,
      ...proxyEnvironment(session.options.buildArgs),
      ...keyedEnvironment(state.scope),
    },
    cwd: state.image.config?.WorkingDir || '/',
    user: { uid: user.uid, gid: user.gid, groups: user.groups },
    network: networkOf(session, instruction),
    hostname: RUN_HOSTNAME,
    ...(command.form === 'script' && { scripts: { [command.name]: command.text } }),
  };
}

/** The command as an argv; a script's is its file. */
export function argvOf(state: StageState, command: RunCommandLine): string[] {
  if (command.form === 'script') return [scriptPath(command.name)];
  return commandArgv(state.image.config, command);
}

function scriptPath(name: string): string {
  return `/dev/pipes/${name}`;
}

function networkOf(session: Session, { network }: RunInstruction): NetworkMode {
  return network === undefined || network === 'default' ? session.options.network : network;
}
