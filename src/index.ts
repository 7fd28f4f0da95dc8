/** The library: `import { build } from 'tsbuild'`. The command line is made of the same calls. */
export { build } from './build/build.js';
export { buildPlatforms } from './build/build-platforms.js';
export type { BuildEvent, BuildEventBody, BuildWarning, Emit, Vertex } from './build/events.js';
export { eventToJson, PROGRESS_VERSION } from './build/events.js';
export type {
  BuildDeps,
  BuildfileInput,
  BuildfileName,
  BuildOptions,
  BuildResult,
  NetworkMode,
  OutputReport,
  PullPolicy,
  StepReport,
} from './build/options.js';
export type { SourceReport } from './build/sources/sources.js';
export { RunFailedError } from './build/run-failed.js';
export type { Entitlement, HostEntry, RunSettings, SshSource } from './build/run-settings.js';
export type { AllowedSecrets } from './build/secret-guard.js';
export type { SecretSource } from './build/secrets.js';
export { enterNamespaces } from './exec/reexec.js';
export type { Ulimit } from './exec/run-spec.js';
export type { OutputSpec } from './output/output-spec.js';
export { parseOutputSpec } from './output/output-spec.js';
export { RegistryClient } from './registry/client.js';
export { Store } from './store/store.js';
export type { ErrorCode } from './util/error-codes.js';
export { ERROR_CODES } from './util/error-codes.js';
export { UserError } from './util/errors.js';
