import type { Ulimit } from '../exec/run-spec.js';
import type { CacheTransferOptions } from './cache-transfer.js';
import type { SecretSource } from './secrets.js';

/** What has to be allowed expressly: it weakens the sandbox. BuildKit's names. */
export const ENTITLEMENTS = ['security.insecure', 'network.host'] as const;
export type Entitlement = (typeof ENTITLEMENTS)[number];

/** Keys for `RUN --mount=type=ssh`: an agent's socket, or files of keys. */
export interface SshSource {
  readonly id: string;
  /** Absolute. A single socket, or keys. */
  readonly paths: readonly string[];
}

/** A line of /etc/hosts. */
export interface HostEntry {
  readonly name: string;
  readonly address: string;
}

/** What RUNs get from the caller. */
export interface RunSettings {
  readonly secrets?: readonly SecretSource[];
  readonly ssh?: readonly SshSource[];
  readonly allow?: readonly Entitlement[];
  readonly hosts?: readonly HostEntry[];
  readonly ulimits?: readonly Ulimit[];
  readonly cacheMounts?: Partial<CacheTransferOptions>;
  /** Of /dev/shm; 64 MiB if absent. */
  readonly shmSizeBytes?: number;
}
