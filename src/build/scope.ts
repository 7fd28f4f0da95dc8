import { redactUrls } from '../util/redact.js';

/**
 * The variables that an instruction sees: of an ENV and an ARG of the same name, the later one
 * (docs/decisions.md). Both reach a RUN's environment, only ENV reaches the image.
 */
export interface Scope {
  readonly env: Readonly<Record<string, string>>;
  /** Declared ones; undefined: declared without a value. */
  readonly args: Readonly<Record<string, string | undefined>>;
  /** Arguments that got a value after an ENV of their name. */
  readonly over?: Readonly<Record<string, string>>;
}

/** Where the value of a declared ARG comes from, first match first; its default is the second. */
export interface ArgSources {
  /** `--build-arg`. */
  readonly buildArgs: Readonly<Record<string, string>>;
  /** ARGs before the first FROM, resolved. */
  readonly globalArgs: Readonly<Record<string, string>>;
  /** TARGETPLATFORM and its kin. */
  readonly predefined: Readonly<Record<string, string>>;
}

export const EMPTY_SCOPE: Scope = { env: {}, args: {} };

/** The `PATH` of a command when the image sets none. */
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Arguments that every RUN has without a declaration. They are in neither history nor cache key,
 * unless the stage declares them.
 */
export const PROXY_ARGS: readonly string[] = [
  ...['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'],
  ...['http_proxy', 'https_proxy', 'ftp_proxy', 'no_proxy', 'all_proxy'],
];

/** Arguments that mean something to the builder itself: no warning when no ARG declares them. */
export const BUILTIN_ARGS: readonly string[] = [
  ...['SOURCE_DATE_EPOCH', 'BUILDKIT_SYNTAX', 'BUILDKIT_INLINE_CACHE', 'BUILDKIT_CACHE_MOUNT_NS'],
  ...['BUILDKIT_CONTEXT_KEEP_GIT_DIR', 'BUILDKIT_MULTI_PLATFORM', 'BUILDKIT_SANDBOX_HOSTNAME'],
  ...['BUILDKIT_BUILD_NAME', 'BUILDKIT_DOCKERFILE_CHECK'],
  ...['BUILDKIT_SBOM_SCAN_CONTEXT', 'BUILDKIT_SBOM_SCAN_STAGE'],
];

/** Arguments for scanners, which no command sees. */
const SCAN_ARGS: readonly string[] = ['BUILDKIT_SBOM_SCAN_CONTEXT', 'BUILDKIT_SBOM_SCAN_STAGE'];

/** What `$name` expands to in a stage. */
export function lookUp(scope: Scope, name: string): string | undefined {
  return own(scope.over ?? {}, name) ?? own(scope.env, name) ?? own(scope.args, name);
}

/** The scope after `ARG name[=fallback]`; `fallback` is expanded already. */
export function declareArg(
  scope: Scope,
  { name, fallback, sources }: { name: string; fallback: string | undefined; sources: ArgSources },
): Scope {
  const value =
    own(sources.buildArgs, name) ??
    fallback ??
    own(sources.globalArgs, name) ??
    own(sources.predefined, name);
  const declared = { ...scope, args: { ...scope.args, [name]: value } };
  if (value === undefined || own(scope.env, name) === undefined) return declared;
  return { ...declared, over: { ...scope.over, [name]: value } };
}

/** The scope of a stage that is FROM a stage with this one: the image's ENV comes last again. */
export function inheritScope({ env, args }: Scope): Scope {
  return { env, args };
}

/** The scope after `ENV`, all pairs at once. */
export function setEnv(scope: Scope, pairs: Readonly<Record<string, string>>): Scope {
  const over = Object.entries(scope.over ?? {}).filter(([name]) => own(pairs, name) === undefined);
  const { args } = scope;
  return { args, env: { ...scope.env, ...pairs }, over: Object.fromEntries(over) };
}

/** The declared arguments that have a value, as a RUN sees them: with ENV's where that is later. */
export function visibleArgs(scope: Scope): Record<string, string> {
  const visible: Record<string, string> = {};
  for (const name of Object.keys(scope.args)) {
    const value = lookUp(scope, name);
    if (value !== undefined && !SCAN_ARGS.includes(name)) visible[name] = value;
  }
  return visible;
}

/** All declared arguments, as a RUN's history has them: without a value they are empty. */
export function declaredArgs(scope: Scope): Record<string, string> {
  const names = Object.keys(scope.args);
  return Object.fromEntries(names.map((name) => [name, lookUp(scope, name) ?? '']));
}

/** The variables that a RUN's result depends on: what the key holds. */
export function keyedEnvironment(scope: Scope): Record<string, string> {
  return { ...visibleArgs(scope), ...scope.env, ...scope.over };
}

/**
 * The variables without the credentials of proxies that arguments name: those change without a
 * change of the result, and are nobody's business. What ENV says is a part of the image.
 */
export function withoutCredentials(
  { env }: Scope,
  variables: Readonly<Record<string, string>>,
): Record<string, string> {
  const shown = { ...variables };
  for (const name of PROXY_ARGS) {
    const value = own(variables, name);
    if (value !== undefined && value !== own(env, name)) shown[name] = redactProxy(value);
  }
  return shown;
}

/** A proxy may be written without `http://`. */
function redactProxy(value: string): string {
  return redactUrls(value).replace(/^[^/]*@/, '***@');
}

/** The proxy arguments of the command line that reach every RUN. */
export function proxyEnvironment(
  buildArgs: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(
    PROXY_ARGS.flatMap((name) => {
      const value = own(buildArgs, name);
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** Parses an image config's `Env`. An entry without `=` is a name with an empty value. */
export function parseEnv(entries: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    entries.map((entry) => {
      const at = entry.indexOf('=');
      return at < 0 ? [entry, ''] : [entry.slice(0, at), entry.slice(at + 1)];
    }),
  );
}

/** Formats variables as an image config's `Env`, in the order of their first assignment. */
export function formatEnv(env: Readonly<Record<string, string>>): string[] {
  return Object.entries(env).map(([name, value]) => `${name}=${value}`);
}

function own<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}
