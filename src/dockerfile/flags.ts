import type { UserError } from '../util/errors.js';
import { suggest } from '../util/suggest.js';
import { PartError } from './locate.js';

/** What a flag takes: `--x[=true|false]`, `--x=text`, or `--x=text` any number of times. */
export type FlagKind = 'boolean' | 'text' | 'list';

/** The flags that an instruction knows. */
export type FlagKinds = Readonly<Record<string, FlagKind>>;

interface FlagTypes {
  boolean: boolean | undefined;
  text: string | undefined;
  list: readonly string[];
}

/** Parsed flags: lists are empty, the others undefined where the flag is not given. */
export type FlagValues<K extends FlagKinds> = { readonly [N in keyof K]: FlagTypes[K[N]] };

/** Parses an instruction's flags. Throws TSB_PARSE without a position. */
export function parseFlags<const K extends FlagKinds>(
  keyword: string,
  flags: readonly string[],
  kinds: K,
): FlagValues<K> {
  const values: Record<string, boolean | string | string[] | undefined> = {};
  for (const [name, kind] of Object.entries(kinds)) {
    values[name] = kind === 'list' ? [] : undefined;
  }
  for (const flag of flags) {
    const at = flag.indexOf('=');
    const name = flag.slice(2, at < 0 ? undefined : at);
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (kind === undefined) throw unknownFlag(keyword, name, kinds);
    const text = at < 0 ? undefined : flag.slice(at + 1);
    const before = values[name];
    if (Array.isArray(before)) {
      before.push(required(keyword, name, text));
      continue;
    }
    if (before !== undefined) {
      throw problem(keyword, `found --${name} twice, want it once`, {
        hint: `Remove one --${name}`,
        part: { text: `--${name}`, last: true },
      });
    }
    values[name] =
      kind === 'boolean' ? parseBoolean(keyword, name, text) : required(keyword, name, text);
  }
  return values as FlagValues<K>;
}

function parseBoolean(keyword: string, name: string, text: string | undefined): boolean {
  switch (text?.toLowerCase()) {
    case undefined:
    case 'true':
      return true;
    case 'false':
      return false;
    default:
      throw problem(keyword, `found --${name}=${text ?? ''}, want true or false`, {
        hint: `Write --${name} or --${name}=false`,
        part: { text: `--${name}=${text ?? ''}` },
      });
  }
}

function required(keyword: string, name: string, text: string | undefined): string {
  if (text !== undefined) return text;
  throw problem(keyword, `found --${name} without a value`, {
    hint: `Write --${name}=VALUE`,
    part: { text: `--${name}` },
  });
}

function unknownFlag(keyword: string, name: string, kinds: FlagKinds): UserError {
  const names = Object.keys(kinds);
  const near = suggest(name, names);
  const known = names.map((known) => `--${known}`).join(', ');
  const hint =
    near !== undefined
      ? `Did you mean --${near}?`
      : known === ''
        ? `${keyword} has no flags; to end them, write -- before the arguments`
        : `${keyword} knows ${known}`;
  return problem(keyword, `found the unknown flag --${name}`, {
    hint,
    part: { text: `--${name}` },
  });
}

function problem(
  keyword: string,
  found: string,
  options: ConstructorParameters<typeof PartError>[2],
): UserError {
  return new PartError('TSB_PARSE', `Cannot parse ${keyword}: ${found}`, options);
}
