import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { isIP } from 'node:net';
import type { BuildOptions } from '../../src/build/options.js';
import type {
  Entitlement,
  HostEntry,
  RunSettings,
  SshSource,
} from '../../src/build/run-settings.js';
import { ENTITLEMENTS } from '../../src/build/run-settings.js';
import type { SecretSource } from '../../src/build/secrets.js';
import type { Ulimit } from '../../src/exec/run-spec.js';
import { ULIMITS } from '../../src/exec/ulimit-names.js';
import { parseByteSize } from '../../src/util/byte-size.js';
import { splitCommaFields } from '../../src/util/comma-fields.js';
import { messageOf, UserError } from '../../src/util/errors.js';
import { suggest } from '../../src/util/suggest.js';
import type { Parsed } from '../command.js';

/** What RUNs get, and what they may. */
export const SANDBOX_OPTIONS = {
  secret: {
    type: 'string',
    array: true,
    describe: 'id=NAME[,src=FILE|,env=VARIABLE] for RUN --mount=type=secret; may be repeated',
  },
  ssh: {
    type: 'string',
    array: true,
    describe: 'default|NAME[=SOCKET|=KEY[,KEY]] for RUN --mount=type=ssh; may be repeated',
  },
  allow: {
    type: 'string',
    array: true,
    describe: 'security.insecure|network.host: let RUNs ask for less of a sandbox',
  },
  'allow-secret-in-layer': {
    type: 'string',
    array: true,
    bareValue: '*',
    describe: 'Go on when a step leaves a secret in the image; =ID: that one, may be repeated',
  },
  'add-host': { type: 'string', array: true, describe: 'NAME:ADDRESS, known to RUNs' },
  ulimit: { type: 'string', array: true, describe: 'TYPE=SOFT[:HARD] limit of RUNs' },
  'cache-mounts-import': {
    type: 'string',
    array: true,
    describe: 'DIR|type=oci,src=DIR: begin cache mounts that the store lacks with what is there',
  },
  'cache-mounts-export': {
    type: 'string',
    describe: 'DIR|type=oci,dest=DIR: save the cache mounts of the build there when it is done',
  },
  'shm-size': { type: 'string', describe: 'Size of /dev/shm in RUNs [64m]' },
} as const;

/** RUNs share the host's network: it is reached on the loopback. */
const HOST_GATEWAY = 'host-gateway';
const GATEWAY_ADDRESS = '127.0.0.1';
const DEFAULT_SSH_ID = 'default';

/** UserError TSB_USAGE for a value that is not well-formed, TSB_CONTEXT for an unreadable file. */
export function sandboxOptions(
  options: Parsed<typeof SANDBOX_OPTIONS>,
  env: NodeJS.ProcessEnv,
): Pick<BuildOptions, 'runs' | 'allowSecretInLayer'> {
  const { secret = [], ssh = [], allow = [], ulimit = [] } = options;
  const shmSize = options['shm-size'];
  const runs: RunSettings = {
    secrets: secret.map((text) => parseSecret(text, env)),
    ssh: ssh.map((text) => parseSsh(text, env)),
    allow: allow.map(parseEntitlement),
    hosts: (options['add-host'] ?? []).map(parseHost),
    ulimits: ulimit.map(parseUlimit),
    cacheMounts: parseCacheMounts(options),
    ...(shmSize !== undefined && { shmSizeBytes: parseShmSize(shmSize) }),
  };
  const secretsInLayer = options['allow-secret-in-layer'] ?? [];
  const allowSecretInLayer = secretsInLayer.includes('*') ? 'all' : secretsInLayer;
  return { runs, allowSecretInLayer };
}

function parseCacheMounts(
  options: Parsed<typeof SANDBOX_OPTIONS>,
): NonNullable<RunSettings['cacheMounts']> {
  const [imports, dest] = [options['cache-mounts-import'] ?? [], options['cache-mounts-export']];
  return {
    importFrom: imports.map((text) => parseDirectory('--cache-mounts-import', text, 'src')),
    exportTo:
      dest === undefined ? undefined : parseDirectory('--cache-mounts-export', dest, 'dest'),
  };
}

/** `DIR`, or `type=oci,KEY=DIR`. */
function parseDirectory(option: string, text: string, key: 'src' | 'dest'): string {
  const want = `DIR or type=oci,${key}=DIR`;
  if (text === '') throw usage(option, text, want);
  if (!/^(type|src|dest)=/.test(text)) return path.resolve(text);
  const fields = new Map(splitOption(option, text).map((field) => splitOnce(field)));
  const dir = fields.get(key);
  const known = [...fields.keys()].every((name) => name === 'type' || name === key);
  if (!known || fields.get('type') !== 'oci' || !dir) throw usage(option, text, want);
  return path.resolve(dir);
}

function splitOnce(field: string): [string, string] {
  const at = field.indexOf('=');
  return at < 0 ? [field, ''] : [field.slice(0, at), field.slice(at + 1)];
}

function parseEntitlement(text: string): Entitlement {
  const found = ENTITLEMENTS.find((name) => name === text);
  if (found !== undefined) return found;
  const near = suggest(text, ENTITLEMENTS);
  const hint = near === undefined ? undefined : `Did you mean ${near}?`;
  throw usage('--allow', text, ENTITLEMENTS.join(' or '), hint);
}

const SECRET_KEYS = ['id', 'src', 'source', 'env', 'type'];

/** Without a source: the variable of that name if there is one, else the file. As in BuildKit. */
export function parseSecret(text: string, env: NodeJS.ProcessEnv): SecretSource {
  const fields: Record<string, string> = {};
  for (const field of splitOption('--secret', text)) {
    const at = field.indexOf('=');
    const key = at < 0 ? field : field.slice(0, at).toLowerCase();
    if (at < 0 || !SECRET_KEYS.includes(key)) {
      const near = suggest(key, SECRET_KEYS);
      const hint =
        near === undefined ? `Keys are ${SECRET_KEYS.join(', ')}` : `Did you mean ${near}=?`;
      throw usage('--secret', field, 'id=NAME,src=FILE or id=NAME,env=VARIABLE', hint);
    }
    fields[key === 'source' ? 'src' : key] = field.slice(at + 1);
  }
  const { id = '', type, src, env: variable } = fields;
  if (id === '') throw usage('--secret', text, 'an id', 'Write id=NAME,src=FILE');
  if (type !== undefined && type !== 'file' && type !== 'env') {
    throw usage('--secret', text, 'type=file or type=env');
  }
  if (src !== undefined && variable !== undefined) {
    throw usage('--secret', text, 'either src or env');
  }
  const name = variable ?? (type === 'env' ? (src ?? id) : undefined);
  if (name !== undefined) return secretOfVariable(id, name, env);
  if (src === undefined && type !== 'file' && env[id] !== undefined) {
    return secretOfVariable(id, id, env);
  }
  return secretOfFile(id, src ?? id);
}

function secretOfVariable(id: string, name: string, env: NodeJS.ProcessEnv): SecretSource {
  const value = env[name];
  if (value !== undefined) return { id, kind: 'value', value };
  throw new UserError('TSB_USAGE', `Cannot use secret "${id}": variable "${name}" is not set`, {
    hint: `export ${name}=…, or --secret id=${id},src=FILE`,
  });
}

function secretOfFile(id: string, file: string): SecretSource {
  assertReadable(`secret "${id}"`, file, `--secret id=${id},src=FILE`);
  return { id, kind: 'file', path: path.resolve(file) };
}

/** `default` alone: the caller's agent. */
export function parseSsh(text: string, env: NodeJS.ProcessEnv): SshSource {
  const at = text.indexOf('=');
  const id = (at < 0 ? text : text.slice(0, at)) || DEFAULT_SSH_ID;
  const paths =
    at < 0
      ? []
      : text
          .slice(at + 1)
          .split(',')
          .filter((file) => file !== '');
  if (paths.length === 0) {
    const agent = env['SSH_AUTH_SOCK'];
    if (agent !== undefined && agent !== '') return { id, paths: [path.resolve(agent)] };
    throw new UserError('TSB_USAGE', `Cannot use --ssh ${text}: SSH_AUTH_SOCK is not set`, {
      hint: 'eval $(ssh-agent) && ssh-add, or --ssh default=KEYFILE',
    });
  }
  for (const file of paths) assertReadable(`--ssh ${id}`, file, `--ssh ${id}=SOCKET or KEYFILE`);
  return { id, paths: paths.map((file) => path.resolve(file)) };
}

function assertReadable(what: string, file: string, hint: string): void {
  try {
    accessSync(file, constants.R_OK);
  } catch (error) {
    throw new UserError('TSB_CONTEXT', `Cannot use ${what}: ${messageOf(error)}`, {
      hint,
      cause: error,
    });
  }
}

/** `NAME:ADDRESS` or `NAME=ADDRESS`; an IPv6 address may be in brackets. */
export function parseHost(text: string): HostEntry {
  const [, name = '', given = ''] = /^([^:=]+)[:=](.+)$/.exec(text) ?? [];
  const address = given === HOST_GATEWAY ? GATEWAY_ADDRESS : given.replace(/^\[(.*)\]$/, '$1');
  if (/^[\w.-]+$/.test(name) && isIP(address) !== 0) return { name, address };
  throw usage('--add-host', text, 'NAME:ADDRESS', 'As in db:10.0.0.5, or db:host-gateway');
}

/** `TYPE=SOFT[:HARD]`; -1 is no limit, HARD is SOFT by default. As in docker. */
export function parseUlimit(text: string): Ulimit {
  const [, name = '', softText = '', hardText = softText] =
    /^([a-z]+)=(-1|\d{1,15}|unlimited)(?::(-1|\d{1,15}|unlimited))?$/.exec(text) ?? [];
  if (!Object.hasOwn(ULIMITS, name)) {
    const [wanted = ''] = text.split('=');
    const near = suggest(wanted, Object.keys(ULIMITS));
    const hint =
      near === undefined ? `Types are ${Object.keys(ULIMITS).join(', ')}` : `Did you mean ${near}?`;
    throw usage('--ulimit', text, 'TYPE=SOFT[:HARD]', hint);
  }
  const [soft, hard] = [boundOf(softText), boundOf(hardText)];
  if (hard !== undefined && (soft === undefined || soft > hard)) {
    throw usage('--ulimit', text, 'a soft limit that is not above the hard one');
  }
  return { name, soft, hard };
}

function boundOf(text: string): number | undefined {
  return text === '-1' || text === 'unlimited' ? undefined : Number(text);
}

function parseShmSize(text: string): number {
  const bytes = parseByteSize(text);
  if (bytes !== undefined && bytes > 0) return bytes;
  throw usage('--shm-size', text, 'a size', 'As in 64m or 1g');
}

function splitOption(option: string, text: string): string[] {
  try {
    return splitCommaFields(text);
  } catch (error) {
    throw new UserError('TSB_USAGE', `Cannot use ${option} "${text}": ${messageOf(error)}`);
  }
}

function usage(option: string, text: string, want: string, hint?: string): UserError {
  return new UserError('TSB_USAGE', `Cannot use ${option} "${text}": want ${want}`, {
    ...(hint !== undefined && { hint }),
  });
}
