/** Every wait, size and count of what is fetched. */
export interface RemoteLimits {
  readonly connectTimeoutMs: number;
  /** From the end of a request to the head of its answer. */
  readonly headersTimeoutMs: number;
  /** Between two pieces of a body. */
  readonly bodyIdleTimeoutMs: number;
  /** Of one download as a whole: a server may send a byte a minute for ever. */
  readonly downloadMsMax: number;
  readonly downloadBytesMax: number;
  /** Of a Buildfile that is named by URL. */
  readonly textBytesMax: number;
  readonly redirectsMax: number;
  /** Tries of one download. */
  readonly attemptsMax: number;
  /** The first wait before another try; each next one doubles. */
  readonly backoffFirstMs: number;
  /** A `Retry-After` beyond this is not waited for. */
  readonly retryAfterMsMax: number;
  /** How long git may say nothing. */
  readonly gitIdleTimeoutMs: number;
  /** What git may print where an answer is wanted. */
  readonly gitOutputBytesMax: number;
  /** Of a repository as it is sent: packs. */
  readonly gitRepositoryBytesMax: number;
  /** Of the files of a commit: a small pack can hold a large one. */
  readonly gitFilesBytesMax: number;
  readonly gitSubmodulesMax: number;
  /** A submodule may have submodules: how often. */
  readonly gitSubmoduleDepthMax: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const HOUR_MS = 60 * 60 * 1000;

export const REMOTE_LIMITS: RemoteLimits = {
  connectTimeoutMs: 15_000,
  headersTimeoutMs: 60_000,
  bodyIdleTimeoutMs: 60_000,
  downloadMsMax: 6 * HOUR_MS,
  downloadBytesMax: 32 * GIB,
  textBytesMax: 16 * MIB,
  // As Go's client, which BuildKit uses.
  redirectsMax: 10,
  attemptsMax: 4,
  backoffFirstMs: 250,
  retryAfterMsMax: 60_000,
  gitIdleTimeoutMs: 120_000,
  gitOutputBytesMax: 16 * MIB,
  gitRepositoryBytesMax: 16 * GIB,
  gitFilesBytesMax: 64 * GIB,
  gitSubmodulesMax: 500,
  gitSubmoduleDepthMax: 8,
};
