import { chmodSync, chownSync, mkdirSync, renameSync, rmdirSync } from 'node:fs';
import path from 'node:path';
import { ImageTree } from '../overlay/image-tree.js';
import { Overlay } from '../overlay/overlay.js';
import type { OverlayMount } from '../overlay/overlay-server.js';
import type { MountRequest } from '../overlay/server-messages.js';
import { writeLocalFiles } from '../output/local-output.js';
import type { MountPoint, SandboxMount } from '../exec/run-spec.js';
import type { CacheMountLease } from '../store/cache-mounts.js';
import { Cleanup } from '../util/cleanup.js';
import { O_DIRECTORY, O_PATH, RESOLVE_IN_ROOT } from '../sys/constants.js';
import { openat, openat2 } from '../sys/file.js';
import { hasCode, UserError } from '../util/errors.js';
import type { LayeredFiles } from './bind-source.js';
import type { RunningVertex } from './progress.js';
import type { PreparedMount } from './run-mounts.js';
import { cacheOwner } from './run-mounts.js';
import type { Session } from './session.js';
import { forwardAgent } from './ssh-agent.js';
import { explainOwner } from './unmapped-owner.js';

/** The mounts of a RUN, ready; disposing of it gives everything back. */
export interface OpenedMounts {
  readonly mounts: readonly SandboxMount[];
  /** Variables of secrets: nothing overrides them. */
  readonly secretEnv: Readonly<Record<string, string>>;
  /** SSH_AUTH_SOCK, unless the image sets it. */
  readonly agentEnv: Readonly<Record<string, string>>;
  /** What the root file system must offer besides. */
  readonly synthetic: readonly MountPoint[];
  /** Served by further processes: the RUN fails with them. */
  readonly served: readonly OverlayMount[];
}

/** What opening mounts needs. */
export interface OpenMounts {
  readonly prepared: readonly PreparedMount[];
  readonly running: RunningVertex;
  /** A directory of this RUN's own. */
  readonly workdir: string;
  /** Targets that lie in no other mount → permission bits of what the image has there. */
  readonly places: ReadonlyMap<string, number | undefined>;
  readonly cleanup: Cleanup;
}

const TMPFS_MODE = 0o1777;
const SECRET_OWNER = { mode: 0o400, uid: 0, gid: 0 };

/** Makes what a RUN mounts: serves files, takes caches, reads secrets, listens for ssh. */
export async function openMounts(session: Session, options: OpenMounts): Promise<OpenedMounts> {
  const opener = new Opener(session, options);
  return await opener.open();
}

type Prepared<K extends PreparedMount['kind']> = Extract<PreparedMount, { kind: K }>;

class Opener {
  readonly #session: Session;
  readonly #options: OpenMounts;
  readonly #mounts: SandboxMount[] = [];
  readonly #synthetic: MountPoint[] = [];
  readonly #env: Record<string, string> = {};
  readonly #served: OverlayMount[] = [];

  constructor(session: Session, options: OpenMounts) {
    this.#session = session;
    this.#options = options;
  }

  async open(): Promise<OpenedMounts> {
    const { prepared } = this.#options;
    const ofKind = <K extends PreparedMount['kind']>(kind: K): Prepared<K>[] =>
      prepared.filter((each): each is Prepared<K> => each.kind === kind);
    for (const secret of ofKind('secret')) this.#openSecret(secret);
    for (const tmpfs of ofKind('tmpfs')) this.#openTmpfs(tmpfs);
    await this.#openBinds(ofKind('bind'));
    for (const ssh of ofKind('ssh')) await this.#openSsh(ssh);
    await this.#openCaches(ofKind('cache'));
    const { target } = ofKind('ssh')[0] ?? {};
    return {
      mounts: this.#mounts,
      secretEnv: this.#env,
      agentEnv: target === undefined ? {} : { SSH_AUTH_SOCK: target },
      synthetic: this.#synthetic,
      served: this.#served,
    };
  }

  #add(mount: SandboxMount, kind: MountPoint['kind']): void {
    this.#mounts.push(mount);
    if (this.#options.places.has(mount.target)) this.#synthetic.push({ path: mount.target, kind });
  }

  #openSecret({ mount: { id, env, required, owner }, target }: Prepared<'secret'>): void {
    const bytes = this.#session.secrets.get(id);
    if (bytes === undefined) {
      if (required) throw missingSecret(id, this.#session.secrets.ids);
      return;
    }
    if (env !== undefined) this.#env[env] = textOf(id, bytes);
    if (target === undefined) return;
    const given = Object.entries(owner).filter(([, value]) => value !== undefined);
    const meta = {
      ...SECRET_OWNER,
      ...(Object.fromEntries(given) as Partial<typeof SECRET_OWNER>),
    };
    this.#add({ kind: 'secret', target, base64: bytes.toString('base64'), ...meta }, 'file');
  }

  #openTmpfs({ mount: { sizeBytes, readOnly }, target }: Prepared<'tmpfs'>): void {
    const mode = this.#options.places.get(target) ?? TMPFS_MODE;
    this.#add({ kind: 'tmpfs', target, sizeBytes, readOnly, mode }, 'dir');
  }

  /** What only shows parts is served by one process; the others need one each. */
  async #openBinds(binds: readonly Prepared<'bind'>[]): Promise<void> {
    const parts: { bind: Prepared<'bind'>; files: LayeredFiles }[] = [];
    for (const bind of binds) {
      const files = await bind.files.layered();
      if (bind.mount.readOnly && files.path !== '') parts.push({ bind, files });
      else await this.#serve([{ bind, files }]);
    }
    if (parts.length > 0) await this.#serve(parts);
  }

  async #serve(shown: readonly { bind: Prepared<'bind'>; files: LayeredFiles }[]): Promise<void> {
    const { cleanup, workdir } = this.#options;
    const { server } = cleanup.use(this.#session.servers.borrow());
    const number = this.#served.length;
    const root = path.join(workdir, `files-${number}`);
    mkdirSync(root);
    const layers = [...new Set(shown.flatMap(({ files }) => files.layers))];
    const isWritable = shown.some(({ bind }) => !bind.mount.readOnly);
    const synthetic = shown.flatMap(({ bind, files }) => this.#below(bind.target, files.path));
    const request: MountRequest = {
      lowers: layers.map((id) => ({ kind: 'indexed', id })),
      layerDirs: this.#session.store.layers.root,
      mountpoint: root,
      synthetic,
      ...(this.#session.servers.logsNames && { hidden: this.#session.guard.hidden }),
      ...(isWritable && { upperdir: path.join(workdir, `written-${number}`) }),
    };
    const mount = await server.mount(request).catch((error: unknown) => {
      throw nameTargets(error, shown);
    });
    this.#served.push(cleanup.use(mount));
    for (const { bind, files } of shown) {
      const {
        target,
        mount: { readOnly },
      } = bind;
      this.#add({ kind: 'bind', target, root, path: files.path, readOnly }, bind.files.kind);
    }
  }

  /** The places of other mounts inside one: it may lack them, and may be read-only. */
  #below(target: string, place: string): MountPoint[] {
    return this.#options.prepared.flatMap((other): MountPoint[] => {
      if (other.target?.startsWith(`${target}/`) !== true) return [];
      const inside = `/${place}${other.target.slice(target.length)}`;
      return [{ path: inside, kind: pointKind(other) }];
    });
  }

  async #openSsh({ mount, target }: Prepared<'ssh'>): Promise<void> {
    const { cleanup, workdir } = this.#options;
    const source = this.#session.options.runs?.ssh?.find(({ id }) => id === mount.id);
    if (source === undefined) {
      if (mount.required) throw missingSsh(mount.id);
      return;
    }
    const root = path.join(workdir, `ssh-${this.#mounts.length}`);
    mkdirSync(root, { mode: 0o755 });
    const agent = await forwardAgent({ source, dir: root, owner: mount.owner });
    cleanup.use(agent);
    this.#add({ kind: 'bind', target, root, path: agent.name, readOnly: false }, 'file');
  }

  /** In the order of their keys, so that no two RUNs wait for each other. */
  async #openCaches(caches: readonly Prepared<'cache'>[]): Promise<void> {
    const leases = new Map<string, CacheMountLease>();
    const nameOf = ({ key }: Prepared<'cache'>): string => JSON.stringify([key.id, key.base]);
    const sorted = caches.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
    for (const cache of sorted) {
      const name = nameOf(cache);
      const lease = leases.get(name) ?? (await this.#acquire(cache));
      leases.set(name, lease);
      const {
        target,
        mount: { readOnly, source },
      } = cache;
      const inside = cache.files === undefined ? source : '';
      assertIsThere(lease.dir, inside, cache.key.id);
      this.#add({ kind: 'bind', target, root: lease.dir, path: inside, readOnly }, 'dir');
    }
  }

  async #acquire(cache: Prepared<'cache'>): Promise<CacheMountLease> {
    const { store, signal } = this.#session;
    const { cleanup, running } = this.#options;
    const lease = await store.cacheMounts.acquire({
      key: cache.key,
      sharing: cache.mount.sharing,
      signal,
      onWait: (what) => running.output('stderr', Buffer.from(`Waiting: ${what}\n`)),
      fill: async (dir) => {
        const what = `cache "${cache.key.id}"`;
        await explainOwner(what, () => this.#fill(cache, dir));
      },
    });
    return cleanup.use(lease);
  }

  async #fill({ files, mount, key }: Prepared<'cache'>, dir: string): Promise<void> {
    const { cacheTransfer, signal } = this.#session;
    if (await cacheTransfer.fill(key, dir, signal)) return;
    if (files?.kind === 'file') {
      throw new UserError(
        'TSB_BUILD',
        `Cannot begin a cache with "${mount.source}": it is a file`,
        {
          hint: 'Name the directory that it is in',
        },
      );
    }
    if (files !== undefined) await this.#writeFiles(await files.layered(), dir);
    const { mode, uid, gid } = cacheOwner(mount);
    const isGiven = Object.values(mount.owner).some((value) => value !== undefined);
    if (files !== undefined && !isGiven) return;
    chownSync(dir, uid ?? 0, gid ?? 0);
    chmodSync(dir, mode ?? 0);
  }

  async #writeFiles({ layers, path: place }: LayeredFiles, dir: string): Promise<void> {
    const { store, signal } = this.#session;
    using overlay = Overlay.open({
      lowers: layers.map((id) => ({ kind: 'indexed', id })),
      layerDirOf: (id) => store.layers.dirOf(id),
      upperdir: undefined,
    });
    await writeLocalFiles(new ImageTree(overlay), dir, { privileged: true, signal });
    if (place === '') return;
    // Its name is a digest: nothing else is called so.
    const whole = `${dir}-whole`;
    renameSync(dir, whole);
    renameSync(path.join(whole, place), dir);
    rmdirSync(whole);
  }
}

/** Places in the files of a mount have names of their own: says the target instead. */
function nameTargets(
  error: unknown,
  shown: readonly { bind: Prepared<'bind'>; files: LayeredFiles }[],
): unknown {
  if (!(error instanceof UserError)) return error;
  const message = shown.reduce((text, { bind, files }) => {
    return files.path === '' ? text : text.replaceAll(`/${files.path}`, bind.target);
  }, error.message);
  const { code, hint } = error;
  return new UserError(code, message, { ...(hint !== undefined && { hint }), cause: error });
}

/** UserError for a directory that a cache lacks; its links are followed inside it. */
function assertIsThere(dir: string, source: string, id: string): void {
  if (source === '') return;
  try {
    using root = openat(undefined, dir, O_PATH | O_DIRECTORY);
    openat2(root, source, { flags: O_PATH | O_DIRECTORY, resolve: RESOLVE_IN_ROOT }).close();
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw error;
    throw new UserError('TSB_BUILD', `Cannot mount "${source}" of cache "${id}": no directory`, {
      hint: 'Make it in a RUN that mounts the whole cache',
      cause: error,
    });
  }
}

function pointKind(prepared: PreparedMount): MountPoint['kind'] {
  switch (prepared.kind) {
    case 'bind':
      return prepared.files.kind;
    case 'secret':
    case 'ssh':
      return 'file';
    case 'cache':
    case 'tmpfs':
      return 'dir';
  }
}

function textOf(id: string, bytes: Buffer): string {
  const text = bytes.toString('utf8');
  if (!bytes.includes(0) && Buffer.from(text).equals(bytes)) return text;
  throw new UserError('TSB_BUILD', `Cannot put secret "${id}" into a variable: it is no text`, {
    hint: 'Mount it as a file: remove env, or add target',
  });
}

function missingSecret(id: string, known: readonly string[]): UserError {
  const given = known.length === 0 ? '' : ` (given: ${known.join(', ')})`;
  return new UserError('TSB_BUILD', `Cannot mount secret "${id}": nobody gave it${given}`, {
    hint: `--secret id=${id},src=FILE, or --secret id=${id},env=VARIABLE`,
  });
}

function missingSsh(id: string): UserError {
  return new UserError('TSB_BUILD', `Cannot mount ssh "${id}": no agent or key was given`, {
    hint: id === 'default' ? '--ssh default' : `--ssh ${id}=SOCKET, or --ssh ${id}=KEYFILE`,
  });
}
