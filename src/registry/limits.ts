/** Every wait, retry and buffer of the registry client. */
export interface RegistryLimits {
  readonly connectTimeoutMs: number;
  /** From the end of a request to the head of its answer. */
  readonly headersTimeoutMs: number;
  /** The same for uploads: the registry hashes the blob before it answers. */
  readonly uploadTimeoutMs: number;
  /** Between two pieces of a body. */
  readonly bodyIdleTimeoutMs: number;
  /** Tries of one operation; of a download: tries in a row that bring no byte. */
  readonly attemptsMax: number;
  /** Breaks of one download that are resumed, however much each of them brought. */
  readonly resumesMax: number;
  /** The first wait before a retry; each next one doubles, half of it random. */
  readonly backoffFirstMs: number;
  readonly backoffMsMax: number;
  /** A `Retry-After` beyond this is not waited for. */
  readonly retryAfterMsMax: number;
  readonly redirectsMax: number;
  readonly manifestBytesMax: number;
  readonly configBytesMax: number;
  readonly errorBodyBytesMax: number;
  readonly tokenBytesMax: number;
  /** An index may lead to an index: how often. */
  readonly indexDepthMax: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;

export const DEFAULT_LIMITS: RegistryLimits = {
  connectTimeoutMs: 15_000,
  headersTimeoutMs: 60_000,
  uploadTimeoutMs: 300_000,
  bodyIdleTimeoutMs: 60_000,
  attemptsMax: 5,
  resumesMax: 100,
  backoffFirstMs: 250,
  backoffMsMax: 10_000,
  retryAfterMsMax: 60_000,
  redirectsMax: 5,
  // What distribution itself takes at most.
  manifestBytesMax: 4 * MIB,
  configBytesMax: 8 * MIB,
  errorBodyBytesMax: 64 * KIB,
  tokenBytesMax: 256 * KIB,
  indexDepthMax: 2,
};

/** Blobs that are transferred at once, unless the caller says otherwise. */
export const PULL_PARALLEL = 4;
export const PUSH_PARALLEL = 4;
