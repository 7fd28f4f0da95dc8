import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { KeyParts } from '../cache/key.js';
import { sortedPairs } from '../cache/key.js';
import type { RunCommandLine, RunInstruction } from '../dockerfile/ast.js';
import type { RunSpec } from '../exec/run-spec.js';
import { MOUNT_POINTS } from '../exec/run-spec.js';
import { runCommand } from '../exec/run.js';
import type { LayerId } from '../layer/types.js';
import { formatHosts } from '../exec/network-files.js';
import type { OverlayMount } from '../overlay/overlay-server.js';
import { ImageTree } from '../overlay/image-tree.js';
import { Cleanup } from '../util/cleanup.js';
import { UserError } from '../util/errors.js';
import { commandArgv } from './container-settings.js';
import { findPlaces, openOverlay, readAccounts } from './image-access.js';
import type { ResolvedUser } from './image-users.js';
import { resolveUser } from './image-users.js';
import type { OpenedMounts, OpenMounts } from './open-mounts.js';
import { openMounts } from './open-mounts.js';
import type { NetworkMode } from './options.js';
import { RunFailedError } from './run-failed.js';
import { RunOutput } from './run-output.js';
import type { RunningVertex } from './progress.js';
import type { PreparedMount } from './run-mounts.js';
import { mountParts, outerTargets } from './run-mounts.js';
import type { Entitlement } from './run-settings.js';
import { DEFAULT_PATH, keyedEnvironment, proxyEnvironment, visibleArgs } from './scope.js';
import { withoutCredentials } from './scope.js';
import type { Session } from './session.js';
import type { StageState } from './state.js';
import { lowersOf } from './state.js';

/** The name that a RUN's host has. Part of CACHE_FORMAT_VERSION's meaning. */
export const RUN_HOSTNAME = 'tsbuild';
/** BuildKit's argument for another one. */
const HOSTNAME_ARG = 'BUILDKIT_SANDBOX_HOSTNAME';

/** A RUN in a stage's state. */
export interface RunStep {
  readonly instruction: RunInstruction;
  readonly state: StageState;
  readonly mounts: readonly PreparedMount[];
}

/** What the result of a RUN depends on. Proxy arguments are left out, as in Docker. */
export function runParts(session: Session, step: RunStep): KeyParts {
  const { instruction, state, mounts } = step;
  const { config } = state.image;
  const { hosts = [], ulimits = [], shmSizeBytes } = session.options.runs ?? {};
  const { command } = instruction;
  const text =
    command.form === 'script' ? ['script', command.name, command.text] : argvOf(state, command);
  return [
    ['parent', state.key],
    ['instruction', ['RUN', command.form, ...text]],
    ['args', sortedPairs(withoutCredentials(state.scope, visibleArgs(state.scope)))],
    ['env', sortedPairs(withoutCredentials(state.scope, keyedEnvironment(state.scope)))],
    ['user', config?.User ?? ''],
    ['workdir', config?.WorkingDir ?? '/'],
    ['network', networkOf(session, instruction)],
    ['security', instruction.security === 'insecure' ? 'insecure' : undefined],
    ['hostname', session.options.buildArgs[HOSTNAME_ARG]],
    ['mounts', mountParts(mounts)],
    // As in BuildKit: where a host is may change, that it is known may not.
    ['hosts', hosts.map(({ name }) => name)],
    ['ulimits', ulimits.map(({ name, soft, hard }) => [name, soft, hard])],
    ['shm', shmSizeBytes],
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
  assertAllowed(session, step.instruction);
  const { user, places } = lookAt(session, step);
  return await session.servers.use(async ({ server, helper }) => {
    using work = session.store.work.create();
    await using cleanup = new Cleanup();
    const opened = await openMounts(session, {
      prepared: step.mounts,
      running,
      workdir: work.path,
      places,
      cleanup,
    });
    const mountpoint = path.join(work.path, 'mnt');
    const upperdir = path.join(work.path, 'layer');
    mkdirSync(mountpoint);
    await using mount = await server.mount({
      lowers: lowersOf(state),
      layerDirs: session.store.layers.root,
      synthetic: [...MOUNT_POINTS, ...opened.synthetic],
      mountpoint,
      upperdir,
      ...(session.servers.logsNames && { hidden: session.guard.hidden }),
    });
    const output = new RunOutput(session.guard, running);
    const spec = specOf(session, step, { rootfs: mountpoint, user, opened });
    const result = await useAll([mount, ...opened.served], session.signal, (signal) =>
      output.while((onOutput) => runCommand(spec, { signal, helper, onOutput })),
    );
    if (result.exitCode !== 0 || result.signal !== undefined) {
      const { instruction } = step;
      const tail = output.tail();
      throw new RunFailedError({ instruction, result, tail, image: state.image });
    }
    await mount.commit({ mtimeMax: session.mtimeMax });
    const lowers = state.layers.map(({ id }) => id);
    const { source } = step.instruction;
    return await session.guard.publish(upperdir, { lowers, source });
  });
}

/** What a RUN has to know of the image that it starts from. */
function lookAt(
  session: Session,
  { state, mounts }: RunStep,
): { user: ResolvedUser; places: OpenMounts['places'] } {
  using overlay = openOverlay(session, state);
  const tree = new ImageTree(overlay);
  const user = resolveUser(state.image.config?.User ?? '', readAccounts(tree));
  return { user, places: findPlaces(tree, outerTargets(mounts)) };
}

/** Does `work` while all mounts are served. */
async function useAll<T>(
  [first, ...rest]: readonly OverlayMount[],
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (first === undefined) return await work(signal);
  return await first.use(signal, (narrower) => useAll(rest, narrower, work));
}

function specOf(
  session: Session,
  { instruction, state }: RunStep,
  { rootfs, user, opened }: { rootfs: string; user: ResolvedUser; opened: OpenedMounts },
): RunSpec {
  const { command } = instruction;
  const { hosts = [], ulimits = [], shmSizeBytes } = session.options.runs ?? {};
  const hostname = session.options.buildArgs[HOSTNAME_ARG] ?? RUN_HOSTNAME;
  return {
    rootfs,
    argv: argvOf(state, command),
    env: {
      PATH: DEFAULT_PATH,
      HOME: user.home,
      HOSTNAME: hostname,
      ...proxyEnvironment(session.options.buildArgs),
      ...opened.agentEnv,
      ...keyedEnvironment(state.scope),
      ...opened.secretEnv,
    },
    cwd: state.image.config?.WorkingDir || '/',
    user: { uid: user.uid, gid: user.gid, groups: user.groups },
    network: networkOf(session, instruction),
    hostname,
    ...(hosts.length > 0 && { hosts: formatHosts(hostname, hosts) }),
    mounts: opened.mounts,
    ulimits,
    hasSecrets:
      Object.keys(opened.secretEnv).length > 0 ||
      opened.mounts.some(({ kind }) => kind === 'secret'),
    ...(shmSizeBytes !== undefined && { shmSizeBytes }),
    insecure: instruction.security === 'insecure',
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

/** Throws for what the sandbox gives up only when the caller says so. */
function assertAllowed(session: Session, { security, network }: RunInstruction): void {
  const { allow = [] } = session.options.runs ?? {};
  if (security === 'insecure' && !allow.includes('security.insecure')) {
    throw notAllowed('RUN --security=insecure', 'security.insecure');
  }
  const opens = network === 'host' && session.options.network === 'none';
  if (opens && !allow.includes('network.host')) {
    throw notAllowed('RUN --network=host in a build with --network none', 'network.host');
  }
}

function notAllowed(what: string, entitlement: Entitlement): UserError {
  return new UserError('TSB_BUILD', `Cannot do ${what}: it is not allowed`, {
    hint: `If you trust the Buildfile: tsbuild build --allow ${entitlement} …`,
  });
}

function networkOf(session: Session, { network }: RunInstruction): NetworkMode {
  return network === undefined || network === 'default' ? session.options.network : network;
}
