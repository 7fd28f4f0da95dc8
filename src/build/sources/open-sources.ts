import { homedir } from 'node:os';
import path from 'node:path';
import type { SshAccess } from '../../remote/git-process.js';
import { REMOTE_LIMITS } from '../../remote/limits.js';
import type { Store } from '../../store/store.js';
import type { Cleanup } from '../../util/cleanup.js';
import type { BuildOptions } from '../options.js';
import type { Progress } from '../progress.js';
import type { SshSource } from '../run-settings.js';
import type { SecretStore } from '../secrets.js';
import { forwardAgent } from '../ssh-agent.js';
import { Sources } from './sources.js';

/** What fetching needs of a build that has no session yet. */
export interface OpenSources {
  readonly options: Pick<BuildOptions, 'noCache' | 'runs' | 'sourceDateEpoch'>;
  readonly store: Store;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  readonly secrets: SecretStore;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Ends what fetching has opened. */
  readonly cleanup: Cleanup;
}

/** The agent that git gets, as docker's clients call it. */
const SSH_ID = 'default';

const OWN = { mode: undefined, uid: undefined, gid: undefined };

/** Nothing is opened before it is needed. */
export function openSources(parts: OpenSources): Sources {
  const { options, store, progress, signal, secrets, env, cleanup } = parts;
  const source = options.runs?.ssh?.find(({ id }) => id === SSH_ID);
  const { sourceDateEpoch } = options;
  return new Sources({
    store,
    records: store.cacheRecords,
    progress,
    signal,
    limits: REMOTE_LIMITS,
    noCache: options.noCache,
    nowMs: () => (sourceDateEpoch === undefined ? Date.now() : sourceDateEpoch * 1000),
    env,
    http: memoized(async () => {
      // Loading it takes time.
      const { HttpClient } = await import('../../remote/http-fetch.js');
      return cleanup.use(new HttpClient({ limits: REMOTE_LIMITS, userAgent: 'tsbuild' }));
    }),
    findSecret: (id) => Promise.resolve(secrets.get(id)),
    ssh: memoized(async () => source && (await openAgent(source, { store, env, cleanup }))),
  });
}

async function openAgent(
  source: SshSource,
  { store, env, cleanup }: Pick<OpenSources, 'store' | 'env' | 'cleanup'>,
): Promise<SshAccess> {
  const work = cleanup.use(store.work.create());
  const agent = cleanup.use(await forwardAgent({ source, dir: work.path, owner: OWN }));
  // In a namespace the user is root, and ssh would look in root's home.
  const home = env['HOME'] ?? homedir();
  return {
    agentSocket: path.join(work.path, agent.name),
    knownHostsFile: path.join(home, '.ssh/known_hosts'),
  };
}

function memoized<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}
