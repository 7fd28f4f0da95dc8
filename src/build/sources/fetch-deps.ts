import type { RecordStore } from '../../cache/records.js';
import type { SshAccess } from '../../remote/git-process.js';
import type { HttpClient } from '../../remote/http-fetch.js';
import type { RemoteLimits } from '../../remote/limits.js';
import type { Store } from '../../store/store.js';
import type { Progress, RunningVertex } from '../progress.js';

/** What fetching sources needs of a build. */
export interface FetchDeps {
  readonly store: Store;
  readonly records: RecordStore;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  readonly limits: RemoteLimits;
  /** Nothing that was fetched before is used. */
  readonly noCache: boolean;
  /** For `mtime=checkout`: the time of what is made now; milliseconds since 1970. */
  readonly nowMs: () => number;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly http: () => Promise<HttpClient>;
  /** A secret of the build by its id. */
  readonly findSecret: (id: string) => Promise<Buffer | undefined>;
  /** The user's agent; undefined: the build has no `--ssh`. */
  readonly ssh: () => Promise<SshAccess | undefined>;
}

/** Tells a vertex how much has arrived. */
export type OnBytes = RunningVertex['progress'];

/** A secret that is the value of a header; a final newline is of the file that it was in. */
export async function findHeaderSecret(
  { findSecret }: Pick<FetchDeps, 'findSecret'>,
  ids: readonly string[],
): Promise<{ id: string; value: string } | undefined> {
  for (const id of ids) {
    const bytes = await findSecret(id);
    if (bytes === undefined) continue;
    const value = bytes.toString('utf8').replace(/[\r\n]+$/, '');
    // eslint-disable-next-line no-control-regex -- what would end the header
    if (value === '' || /[\u0000-\u001f\u007f]/.test(value)) continue;
    return { id, value };
  }
  return undefined;
}
