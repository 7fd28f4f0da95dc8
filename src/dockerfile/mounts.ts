/*
 * The value of RUN --mount: `key=value` fields with commas between, quoted as in CSV. Source: the
 * Dockerfile reference, RUN --mount; where it is silent, BuildKit.
 */
import { assertNever } from '../util/assert.js';
import { parseByteSize } from '../util/byte-size.js';
import { splitCommaFields } from '../util/comma-fields.js';
import { UserError } from '../util/errors.js';
import { suggest } from '../util/suggest.js';
import { PartError } from './locate.js';

const TYPES = ['bind', 'cache', 'tmpfs', 'secret', 'ssh'] as const;
const SHARING_MODES = ['shared', 'private', 'locked'] as const;

/** How a cache that is in use is shared: at once, by a second one, or by waiting. */
export type CacheSharing = (typeof SHARING_MODES)[number];

/** Mode and owner, where the flag gives any. */
export interface MountOwner {
  readonly mode: number | undefined;
  readonly uid: number | undefined;
  readonly gid: number | undefined;
}

/** `target` is as written; relative to the WORKDIR, and empty where there is none. */
interface MountBase {
  readonly target: string;
}

/** `from`: a stage, an image or a named context; undefined: the build context. */
export interface BindMount extends MountBase {
  readonly type: 'bind';
  readonly from: string | undefined;
  /** Below the root of `from`; empty: the root. */
  readonly source: string;
  readonly readOnly: boolean;
}

/** `from`: what the cache begins with; undefined: an empty directory. */
export interface CacheMount extends MountBase {
  readonly type: 'cache';
  readonly id: string | undefined;
  readonly from: string | undefined;
  readonly source: string;
  readonly readOnly: boolean;
  readonly sharing: CacheSharing;
  readonly owner: MountOwner;
}

export interface TmpfsMount extends MountBase {
  readonly type: 'tmpfs';
  readonly sizeBytes: number | undefined;
  readonly readOnly: boolean;
}

export interface SecretMount extends MountBase {
  readonly type: 'secret';
  readonly id: string;
  /** The variable that gets it. The file is left out then, unless there is a target. */
  readonly env: string | undefined;
  readonly required: boolean;
  readonly owner: MountOwner;
}

export interface SshMount extends MountBase {
  readonly type: 'ssh';
  readonly id: string;
  readonly required: boolean;
  readonly owner: MountOwner;
}

export type RunMount = BindMount | CacheMount | TmpfsMount | SecretMount | SshMount;

/** Key → what it is called here. */
const KEYS: Readonly<Record<string, string>> = {
  type: 'type',
  from: 'from',
  source: 'source',
  src: 'source',
  target: 'target',
  dst: 'target',
  destination: 'target',
  readonly: 'readonly',
  ro: 'readonly',
  readwrite: 'readwrite',
  rw: 'readwrite',
  id: 'id',
  sharing: 'sharing',
  required: 'required',
  size: 'size',
  mode: 'mode',
  uid: 'uid',
  gid: 'gid',
  env: 'env',
};
const FLAG_KEYS: readonly string[] = ['readonly', 'readwrite', 'required'];
const DEFAULT_SSH_ID = 'default';
const ID_MAX = 0xffffffff;

/**
 * What `from` says, before variables are known: it decides which stages are needed, so it cannot
 * have any. Throws TSB_PARSE without a position.
 */
export function findMountFrom(text: string): string | undefined {
  let from: string | undefined;
  for (const field of splitCommaFields(text)) {
    const { key, value } = splitField(field);
    if (key !== 'from' || value === undefined) continue;
    const variable = value.indexOf('$');
    if (variable >= 0 && variable !== value.length - 1) {
      const error = problem(
        `found from=${value}, want no variable in it`,
        'Name a stage: FROM IMAGE AS NAME',
      );
      throw aboutPart(error, field);
    }
    from = value;
  }
  return from;
}

/** Parses the value of one --mount, its values expanded by `expand`. Throws TSB_PARSE likewise. */
export function parseMount(text: string, expand: (word: string) => string): RunMount {
  const fields = new Fields();
  for (const field of splitCommaFields(text)) {
    within(field, () => addField(fields, field, expand));
  }
  return within(text, () => mountOf(fields));
}

function addField(fields: Fields, field: string, expand: (word: string) => string): void {
  const { key, value } = splitField(field);
  const name = Object.hasOwn(KEYS, key) ? KEYS[key] : undefined;
  if (value === undefined && (name === undefined || !FLAG_KEYS.includes(name))) {
    throw problem(`found "${field}", want key=value`, hintOfKey(key));
  }
  if (name === undefined) throw problem(`found the unknown key "${key}"`, hintOfKey(key));
  fields.set(name, key, value === undefined ? 'true' : expand(value));
}

/** Runs `work`; its error is about `part` of the line. */
function within<T>(part: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof UserError ? aboutPart(error, part) : error;
  }
}

function aboutPart(error: UserError, part: string): UserError {
  if (error instanceof PartError || error.source !== undefined) return error;
  const { code, message, hint } = error;
  return new PartError(code, message, { hint, part: { text: part } });
}

function splitField(field: string): { key: string; value: string | undefined } {
  const at = field.indexOf('=');
  const key = (at < 0 ? field : field.slice(0, at)).toLowerCase();
  return { key, value: at < 0 ? undefined : field.slice(at + 1) };
}

/** The values of one flag; of a key that is given twice the last one counts. */
class Fields {
  readonly #values = new Map<string, { key: string; value: string }>();
  /** Whether the mount is read-only, if any key says so. */
  readOnly: boolean | undefined;

  set(name: string, key: string, value: string): void {
    this.#values.set(name, { key, value });
    if (name === 'readonly') this.readOnly = parseBoolean(key, value);
    if (name === 'readwrite') this.readOnly = !parseBoolean(key, value);
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  text(name: string): string | undefined {
    return this.#values.get(name)?.value;
  }

  boolean(name: string): boolean {
    const found = this.#values.get(name);
    return found !== undefined && parseBoolean(found.key, found.value);
  }

  choice<const T extends string>(name: string, choices: readonly T[], otherwise: T): T {
    const value = this.text(name);
    if (value === undefined) return otherwise;
    const found = choices.find((choice) => choice === value.toLowerCase());
    if (found !== undefined) return found;
    const near = suggest(value, choices);
    throw problem(
      `found ${name}=${value}, want one of ${choices.join(', ')}`,
      near === undefined ? `Write ${name}=${otherwise}` : `Did you mean ${name}=${near}?`,
    );
  }

  number(name: string, base: 8 | 10): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const number = Number.parseInt(value, base);
    if ((base === 8 ? /^[0-7]+$/ : /^\d+$/).test(value) && number <= ID_MAX) return number;
    const want = base === 8 ? 'an octal number' : 'a number';
    throw problem(
      `found ${name}=${value}, want ${want}`,
      `Write ${name}=${base === 8 ? '0400' : '1000'}`,
    );
  }

  owner(): MountOwner {
    return {
      mode: this.number('mode', 8),
      uid: this.number('uid', 10),
      gid: this.number('gid', 10),
    };
  }
}

/** Keys that BuildKit refuses for other types; the rest have no effect where they do not belong. */
const ONLY_FOR: Readonly<Record<string, readonly RunMount['type'][]>> = {
  required: ['secret', 'ssh'],
  size: ['tmpfs'],
  sharing: ['cache'],
  mode: ['cache', 'secret', 'ssh'],
  uid: ['cache', 'secret', 'ssh'],
  gid: ['cache', 'secret', 'ssh'],
};

function mountOf(fields: Fields): RunMount {
  const type = fields.choice('type', TYPES, 'bind');
  for (const [name, types] of Object.entries(ONLY_FOR)) {
    if (!fields.has(name) || types.includes(type)) continue;
    throw problem(
      `found ${name} for type=${type}`,
      `Remove it: ${name} is for ${types.join(', ')}`,
    );
  }
  const target = fields.text('target') ?? '';
  const from = fields.text('from') || undefined;
  const source = fields.text('source') ?? '';
  const { readOnly } = fields;
  switch (type) {
    case 'bind':
      return { type, target, from, source, readOnly: readOnly ?? true };
    case 'cache': {
      const id = fields.text('id') || undefined;
      const sharing = fields.choice('sharing', SHARING_MODES, 'shared');
      const owner = fields.owner();
      return { type, target, from, source, id, sharing, owner, readOnly: readOnly ?? false };
    }
    case 'tmpfs': {
      const sizeBytes = parseSize(fields.text('size'));
      return { type, target, sizeBytes, readOnly: readOnly ?? false };
    }
    case 'secret':
      return secretOf(fields, target);
    case 'ssh': {
      if (source !== '') throw problem('found source for type=ssh', 'Write id=NAME');
      const id = fields.text('id') || DEFAULT_SSH_ID;
      return { type, target, id, required: fields.boolean('required'), owner: fields.owner() };
    }
    default:
      return assertNever(type, 'mount type');
  }
}

function secretOf(fields: Fields, target: string): SecretMount {
  const source = fields.text('source') ?? '';
  const id = fields.text('id') ?? '';
  if (fields.has('from') && fields.text('from') !== '') {
    throw problem('found from for type=secret', 'Remove it: a secret comes from --secret id=NAME');
  }
  if (source !== '' && id !== '') {
    throw problem('found both id and source for type=secret', 'Write id alone');
  }
  const name = source || id || baseName(target);
  if (name === '') throw problem('found neither id nor target for type=secret', 'Write id=NAME');
  const env = fields.text('env');
  if (env !== undefined && (env === '' || /[=\0]/.test(env))) {
    throw problem(`found env=${env}, want the name of a variable`, 'Write env=NAME');
  }
  const required = fields.boolean('required');
  return { type: 'secret', target, id: name, env, required, owner: fields.owner() };
}

function baseName(path: string): string {
  return /([^/]*)\/*$/.exec(path)?.[1] ?? '';
}

function parseSize(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const bytes = parseByteSize(text);
  if (bytes === undefined) throw problem(`found size=${text}, want a size`, 'Write size=64m');
  return bytes === 0 ? undefined : bytes;
}

/** As Go's strconv.ParseBool. */
function parseBoolean(key: string, value: string): boolean {
  if (/^(1|t|T|true|TRUE|True)$/.test(value)) return true;
  if (/^(0|f|F|false|FALSE|False)$/.test(value)) return false;
  throw problem(`found ${key}=${value}, want true or false`, `Write ${key}, or ${key}=false`);
}

function hintOfKey(key: string): string {
  const near = suggest(key, Object.keys(KEYS));
  return near === undefined ? `Keys are ${Object.keys(KEYS).join(', ')}` : `Did you mean ${near}?`;
}

function problem(found: string, hint: string): UserError {
  return new UserError('TSB_PARSE', `Cannot parse RUN --mount: ${found}`, { hint });
}
