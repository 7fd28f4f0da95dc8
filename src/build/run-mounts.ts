import path from 'node:path';
import type { KeyValue } from '../cache/key.js';
import type { RunInstruction } from '../dockerfile/ast.js';
import type {
  BindMount,
  CacheMount,
  MountOwner,
  RunMount,
  SecretMount,
  SshMount,
  TmpfsMount,
} from '../dockerfile/mounts.js';
import { parseMount } from '../dockerfile/mounts.js';
import { expandWord } from '../dockerfile/words.js';
import { ImageTree } from '../overlay/image-tree.js';
import type { CacheMountKey } from '../store/cache-mounts.js';
import type { Cleanup } from '../util/cleanup.js';
import { UserError } from '../util/errors.js';
import type { MountFiles } from './bind-source.js';
import type { ContextSource } from './context.js';
import { partOf, wholeState } from './bind-source.js';
import { openOverlay } from './image-access.js';
import { ImageFiles } from './image-files.js';
import { lookUp } from './scope.js';
import type { Session } from './session.js';
import type { StageState } from './state.js';

const SECRETS_DIR = '/run/secrets';
/** BuildKit's: every user of ssh has a socket of its own there. */
const SSH_SOCKET = '/run/buildkit/ssh_agent.';
const CACHE_NAMESPACE_ARG = 'BUILDKIT_CACHE_MOUNT_NS';
export const CACHE_OWNER = { mode: 0o755, uid: 0, gid: 0 } as const;

/** What a `from` of COPY or of a mount means. */
export type FromSource =
  /** A stage, an image, or a context that was fetched. */
  | {
      readonly kind: 'state';
      readonly state: StageState;
      /** For messages. */
      readonly what: string;
    }
  /** A context that is a directory of this machine. */
  | { readonly kind: 'directory'; readonly directory: ContextSource };

/** A mount with its place, and with the files that it shows or begins with. */
export type PreparedMount =
  | {
      readonly kind: 'bind';
      readonly target: string;
      readonly mount: BindMount;
      readonly files: MountFiles;
    }
  | {
      readonly kind: 'cache';
      readonly target: string;
      readonly mount: CacheMount;
      readonly key: CacheMountKey;
      /** What a new one begins with. */
      readonly files: MountFiles | undefined;
    }
  | { readonly kind: 'tmpfs'; readonly target: string; readonly mount: TmpfsMount }
  /** Without a target: a variable only. */
  | { readonly kind: 'secret'; readonly target: string | undefined; readonly mount: SecretMount }
  | { readonly kind: 'ssh'; readonly target: string; readonly mount: SshMount };

/** A mount of one kind. */
export type Prepared<K extends PreparedMount['kind']> = Extract<PreparedMount, { kind: K }>;

/** The mounts of a RUN, their variables expanded. Throws UserError. */
export function parseMounts(
  { mounts }: RunInstruction,
  { scope }: StageState,
  escape: '\\' | '`',
): RunMount[] {
  const lookup = (name: string): string | undefined => lookUp(scope, name);
  return mounts.map((text) => parseMount(text, (word) => expandWord(word, lookup, escape)));
}

/** What preparing mounts needs. */
export interface PrepareMounts {
  readonly state: StageState;
  readonly mounts: readonly RunMount[];
  /** By mount: where its `from` leads; undefined: it has none. */
  readonly from: readonly (FromSource | undefined)[];
  /** Closes what the prepared mounts read from. */
  readonly cleanup: Cleanup;
}

/** Finds the places and the files of mounts. Throws UserError. */
export async function prepareMounts(
  session: Session,
  { state, mounts, from, cleanup }: PrepareMounts,
): Promise<PreparedMount[]> {
  const workdir = state.image.config?.WorkingDir || '/';
  const prepared: PreparedMount[] = [];
  let sockets = 0;
  for (const [at, mount] of mounts.entries()) {
    const files = from[at];
    switch (mount.type) {
      case 'bind': {
        const target = targetOf(mount, workdir);
        const shown = await filesOf(session, { mount, files, cleanup });
        prepared.push({ kind: 'bind', target, mount, files: shown });
        break;
      }
      case 'cache': {
        const target = targetOf(mount, workdir);
        const start = files && (await filesOf(session, { mount, files, cleanup }));
        const key = cacheKeyFor(session, mount, start);
        session.cacheTransfer.name(key);
        prepared.push({ kind: 'cache', target, mount, key, files: start });
        break;
      }
      case 'tmpfs':
        prepared.push({ kind: 'tmpfs', target: targetOf(mount, workdir), mount });
        break;
      case 'secret': {
        const file = mount.target || `${SECRETS_DIR}/${path.posix.basename(mount.id)}`;
        const hasFile = mount.env === undefined || mount.target !== '';
        const target = hasFile ? clean(mount, path.posix.join('/', file)) : undefined;
        prepared.push({ kind: 'secret', target, mount });
        break;
      }
      case 'ssh': {
        const socket = mount.target || `${SSH_SOCKET}${sockets}`;
        const target = clean(mount, path.posix.join('/', socket));
        sockets++;
        prepared.push({ kind: 'ssh', target, mount });
      }
    }
  }
  return prepared;
}

/** What the mounts add to the key of a RUN: no secret, no content of a cache, no name of one. */
export function mountParts(mounts: readonly PreparedMount[]): KeyValue {
  return mounts.map((prepared) => {
    const { kind, target } = prepared;
    switch (prepared.kind) {
      case 'bind':
        return [kind, target, prepared.mount.readOnly, prepared.files.key];
      case 'cache':
        return [kind, target, prepared.mount.readOnly, prepared.files?.key];
      case 'tmpfs':
        return [kind, target, prepared.mount.readOnly, prepared.mount.sizeBytes];
      case 'secret': {
        const { id, env, required, owner } = prepared.mount;
        return [kind, target, id, env, required, ...ownerParts(owner)];
      }
      case 'ssh': {
        const { id, required, owner } = prepared.mount;
        return [kind, target, id, required, ...ownerParts(owner)];
      }
    }
  });
}

/** The targets that lie in no other mount: those that the image must offer. */
export function outerTargets(mounts: readonly PreparedMount[]): string[] {
  const targets = mounts.flatMap(({ target }) => target ?? []);
  return targets.filter((target) => !targets.some((other) => target.startsWith(`${other}/`)));
}

function ownerParts({ mode, uid, gid }: MountOwner): KeyValue[] {
  return [mode, uid, gid];
}

/** Relative to the WORKDIR, as is no target at all. */
function targetOf(mount: RunMount, workdir: string): string {
  return clean(mount, path.posix.resolve('/', workdir, mount.target));
}

function clean({ type, target }: RunMount, resolved: string): string {
  const place = resolved.replace(/\/+$/, '');
  if (place !== '') return place;
  throw new UserError('TSB_BUILD', `Cannot mount a ${type} on "${target || '/'}": it is the root`, {
    hint: 'Write target=/PATH',
  });
}

async function filesOf(
  session: Session,
  {
    mount,
    files,
    cleanup,
  }: {
    mount: BindMount | CacheMount;
    files: FromSource | undefined;
    cleanup: Cleanup;
  },
): Promise<MountFiles> {
  const { source } = mount;
  if (files === undefined) return await partOf(session, await session.context.open(), source);
  if (files.kind === 'directory') {
    return await partOf(session, await files.directory.open(), source);
  }
  if (path.posix.join('/', source) === '/') return wholeState(files.state);
  const overlay = cleanup.use(openOverlay(session, files.state));
  return await partOf(session, new ImageFiles(new ImageTree(overlay), files.what), source);
}

/** As in BuildKit, another beginning or another owner makes another cache of the same id. */
function cacheKeyFor(
  { options }: Session,
  { id, target, source, owner }: CacheMount,
  files: MountFiles | undefined,
): CacheMountKey {
  const namespace = options.buildArgs[CACHE_NAMESPACE_ARG] ?? '';
  const name = id ?? path.posix.normalize(target || '.').replace(/(.)\/+$/, '$1');
  const hasOwner = Object.values(owner).some((value) => value !== undefined);
  const { mode, uid, gid } = { ...CACHE_OWNER, ...definedOf(owner) };
  const base =
    files !== undefined
      ? ['from', files.key]
      : source === '' && hasOwner
        ? ['owner', uid, gid, mode]
        : undefined;
  return {
    id: namespace === '' ? name : `${namespace}/${name}`,
    base: base === undefined ? '' : JSON.stringify(base),
  };
}

/** The owner of a new cache. */
export function cacheOwner({ owner }: CacheMount): typeof CACHE_OWNER | Required<MountOwner> {
  return { ...CACHE_OWNER, ...definedOf(owner) };
}

function definedOf(owner: MountOwner): Partial<Record<'mode' | 'uid' | 'gid', number>> {
  return Object.fromEntries(Object.entries(owner).filter(([, value]) => value !== undefined));
}
