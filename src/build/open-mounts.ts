import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { OverlayMount } from '../overlay/overlay-server.js';
import type { MountRequest } from '../overlay/server-messages.js';
import type { MountPoint, SandboxMount } from '../exec/run-spec.js';
import type { Cleanup } from '../util/cleanup.js';
import { UserError } from '../util/errors.js';
import type { LayeredFiles } from './bind-source.js';
import { openCaches } from './open-caches.js';
import type { RunningVertex } from './progress.js';
import type { Prepared, PreparedMount } from './run-mounts.js';
import type { Session } from './session.js';
import { forwardAgent } from './ssh-agent.js';

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
    for (const mount of await openCaches(this.#session, ofKind('cache'), this.#options)) {
      this.#add(mount, 'dir');
    }
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
