/**
 * Credentials as `docker login` stores them, in `$DOCKER_CONFIG/config.json` or
 * `~/.docker/config.json`:
 *
 *     {
 *       "auths": {
 *         "ghcr.io": { "auth": "<base64 of user:password>" },
 *         "https://index.docker.io/v1/": { "identitytoken": "…" }
 *       },
 *       "credHelpers": { "gcr.io": "gcloud" },
 *       "credsStore": "secretservice"
 *     }
 *
 * The key of docker.io is `https://index.docker.io/v1/`. A registry's own helper comes first,
 * then the store, then `auths`. A helper `x` is the program `docker-credential-x`: `get` with
 * the key on standard input answers `{"Username": "…", "Secret": "…"}`; the user name
 * `<token>` says that the secret is an identity token.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import * as v from 'valibot';
import { UserError, hasCode, messageOf } from '../util/errors.js';

/** What proves who we are: to the token server (`basic`, `identity`), or to the registry itself. */
export type Credential =
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  | { readonly kind: 'identity'; readonly token: string }
  | { readonly kind: 'bearer'; readonly token: string };

/** Finds the credential for a registry; called once per registry, and only if it asks for one. */
export type FindCredential = (
  domain: string,
  signal?: AbortSignal,
) => Promise<Credential | undefined>;

const HELPER_TIMEOUT_MS = 60_000;
const HELPER_NAME = /^[A-Za-z0-9._-]+$/;
const DOCKER_IO_KEY = 'https://index.docker.io/v1/';

const authSchema = v.looseObject({
  auth: v.nullish(v.string()),
  username: v.nullish(v.string()),
  password: v.nullish(v.string()),
  identitytoken: v.nullish(v.string()),
  registrytoken: v.nullish(v.string()),
});
const fileSchema = v.looseObject({
  auths: v.nullish(v.record(v.string(), authSchema)),
  credHelpers: v.nullish(v.record(v.string(), v.string())),
  credsStore: v.nullish(v.string()),
});
const helperSchema = v.looseObject({ Username: v.string(), Secret: v.string() });

/** Where docker's config is, by the environment: `$DOCKER_CONFIG`, else `$HOME/.docker`. */
export function dockerConfigFile(
  env: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const { DOCKER_CONFIG: dir, HOME: home } = env;
  if (dir) return join(dir, 'config.json');
  return home ? join(home, '.docker', 'config.json') : undefined;
}

/**
 * Credentials from docker's config file, read at each call; a missing file has none. UserError
 * TSB_AUTH if the file or a helper is broken. No message holds a secret.
 */
export function dockerCredentials(file: string | undefined): FindCredential {
  return async (domain, signal) => {
    const config = file === undefined ? undefined : await findConfig(file);
    if (config === undefined) return undefined;
    const helper = helperFor(config, domain);
    const helped = helper === undefined ? undefined : await askHelper(helper, domain, signal);
    return helped ?? findInAuths(config, domain);
  };
}

type DockerConfig = v.InferOutput<typeof fileSchema>;

async function findConfig(file: string): Promise<DockerConfig | undefined> {
  const broken = (found: string): UserError =>
    new UserError('TSB_AUTH', `Cannot read credentials in ${JSON.stringify(file)}: ${found}`);
  let value: unknown;
  try {
    value = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
    // V8 quotes the document in its message: it may hold a secret.
    throw broken(error instanceof SyntaxError ? 'it is not well-formed JSON' : messageOf(error));
  }
  const result = v.safeParse(fileSchema, value);
  if (result.success) return result.output;
  throw broken(`${v.getDotPath(result.issues[0]) ?? 'it'} has the wrong type`);
}

function keysOf(domain: string): string[] {
  return domain === 'docker.io' ? [DOCKER_IO_KEY, 'docker.io', 'index.docker.io'] : [domain];
}

/** The host of a key: old ones are URLs. */
function hostOf(key: string): string {
  return key.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
}

function helperFor(config: DockerConfig, domain: string): string | undefined {
  const own = keysOf(domain).map((key) => config.credHelpers?.[key]);
  return own.find((name) => name) ?? (config.credsStore || undefined);
}

function findInAuths({ auths }: DockerConfig, domain: string): Credential | undefined {
  const keys = keysOf(domain);
  const entries = Object.entries(auths ?? {});
  const exact = entries.find(([key]) => keys.includes(key));
  const entry = (exact ?? entries.find(([key]) => keys.includes(hostOf(key))))?.[1];
  if (entry === undefined) return undefined;
  if (entry.identitytoken) return { kind: 'identity', token: entry.identitytoken };
  if (entry.registrytoken) return { kind: 'bearer', token: entry.registrytoken };
  const pair = entry.auth ? decodeAuth(entry.auth) : undefined;
  const username = pair?.username ?? entry.username;
  const password = pair?.password ?? entry.password;
  return username && password ? { kind: 'basic', username, password } : undefined;
}

/** Decodes base64 of `user:password`; docker pads it with NULs at times. */
function decodeAuth(auth: string): { username: string; password: string } | undefined {
  const text = Buffer.from(auth, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon === -1) return undefined;
  return { username: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, '') };
}

/** Errors keep neither the helper's output nor a cause: they may hold the secret. */
async function askHelper(
  name: string,
  domain: string,
  signal?: AbortSignal,
): Promise<Credential | undefined> {
  const program = `docker-credential-${name}`;
  const failed = (found: string, hint?: string): UserError =>
    new UserError('TSB_AUTH', `Cannot get credentials for ${domain} from ${program}: ${found}`, {
      ...(hint !== undefined && { hint }),
    });
  if (!HELPER_NAME.test(name)) throw failed('its name is not well-formed');
  const [input = domain] = keysOf(domain);
  const result = await execa(program, ['get'], {
    input,
    reject: false,
    timeout: HELPER_TIMEOUT_MS,
    ...(signal && { cancelSignal: signal }),
  });
  signal?.throwIfAborted();
  if (result.code === 'ENOENT') {
    throw failed('it is not installed', 'install it, or remove it from docker’s config.json');
  }
  if (result.failed) {
    if (/credentials not found/i.test(result.stdout)) return undefined;
    throw failed(
      result.timedOut ? 'no answer in time' : `exit code ${result.exitCode ?? 'unknown'}`,
    );
  }
  const answer = v.safeParse(v.pipe(v.string(), v.parseJson(), helperSchema), result.stdout);
  if (!answer.success) throw failed('its answer is not what the protocol says');
  const { Username: username, Secret: secret } = answer.output;
  if (username === '<token>') return { kind: 'identity', token: secret };
  return { kind: 'basic', username, password: secret };
}
