import path from 'node:path';
import { parseOptionText } from './option-text.js';
import { applyOption, defaultSettings, usageError, type MountSettings } from './options.js';

/** What a command line asks for. */
export type Request =
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'wait'; readonly upperdir: string }
  | {
      readonly kind: 'mount';
      readonly settings: MountSettings;
      readonly mountpoint: string;
      readonly isForeground: boolean;
      readonly warnings: readonly string[];
    };

/** What is read off the words of a command line. */
interface Words {
  readonly options: string[];
  readonly positionals: string[];
  isForeground: boolean;
  isDebug: boolean;
  wait: string | undefined;
  only: 'help' | 'version' | undefined;
}

/** A word that takes the next one, or what follows it directly (`-oro`, `--wait=U`). */
function valueOf(flag: string, argv: readonly string[], at: number): [string, number] {
  const word = argv[at] ?? '';
  if (word.length > flag.length) {
    const rest = word.slice(flag.length);
    return [flag.startsWith('--') ? rest.slice(1) : rest, at];
  }
  const next = argv[at + 1];
  if (next === undefined) throw usageError(`Cannot use "${flag}": found no value behind it`);
  return [next, at + 1];
}

function readWords(argv: readonly string[]): Words {
  const words: Words = {
    options: [],
    positionals: [],
    isForeground: false,
    isDebug: false,
    wait: undefined,
    only: undefined,
  };
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? '';
    if (word === '--') {
      words.positionals.push(...argv.slice(at + 1));
      break;
    } else if (word === '-f' || word === '--foreground') words.isForeground = true;
    else if (word === '-d' || word === '--debug') words.isDebug = true;
    else if (word === '-h' || word === '--help') words.only = 'help';
    else if (word === '-V' || word === '--version') words.only = 'version';
    else if (word === '--wait' || word.startsWith('--wait=')) {
      [words.wait, at] = valueOf('--wait', argv, at);
    } else if (word.startsWith('-o')) {
      const [option, last] = valueOf('-o', argv, at);
      words.options.push(option);
      at = last;
    } else if (word.startsWith('-') && word !== '-') {
      throw usageError(`Cannot understand "${word}": there is no such flag`);
    } else {
      words.positionals.push(word);
    }
  }
  return words;
}

function waitDirectory({ wait = '', positionals, options }: Words): string {
  const [extra] = [...positionals, ...options];
  if (wait === '') throw usageError('Cannot wait: found no upper directory');
  if (extra === undefined) return path.resolve(wait);
  throw usageError(`Cannot use "${extra}" with --wait: it takes the upper directory alone`);
}

/** Understands a command line; throws TSB_USAGE. Paths become absolute. */
export function parseArguments(argv: readonly string[], isRoot: boolean): Request {
  const words = readWords(argv);
  if (words.only !== undefined) return { kind: words.only };
  if (words.wait !== undefined) return { kind: 'wait', upperdir: waitDirectory(words) };
  const settings = defaultSettings(isRoot);
  const warnings: string[] = [];
  const options = words.options.flatMap(parseOptionText);
  for (const option of options) {
    const warning = applyOption(settings, option);
    if (warning !== undefined) warnings.push(warning);
  }
  // mount(8) and its helpers put the source before the mount point.
  const [first, second, ...more] = words.positionals;
  // path.resolve would make the current directory of an empty one.
  if (first === undefined || (second ?? first) === '') {
    throw usageError('Cannot mount: found no mount point');
  }
  if (more.length > 0) throw usageError(`Cannot mount: found "${more.join(' ')}" too many`);
  if (second !== undefined) settings.fsname = first;
  if (words.isDebug) settings.isDebug = true;
  checkDirectories(settings);
  const wantsWrites = options.findLast(({ name }) => /^r[ow]$/.test(name))?.name === 'rw';
  if (wantsWrites && settings.upperdir === undefined) {
    warnings.push('Option "rw" does nothing here: without upperdir the mount is read-only');
  }
  return {
    kind: 'mount',
    settings,
    mountpoint: path.resolve(second ?? first),
    isForeground: words.isForeground || settings.isDebug,
    warnings,
  };
}

function checkDirectories(settings: MountSettings): void {
  const { upperdir, workdir } = settings;
  if (upperdir === undefined && workdir !== undefined) {
    throw usageError('Cannot mount: found workdir without upperdir, want both');
  }
  if (settings.lowerdirs.length === 0) throw usageError('Cannot mount: want -o lowerdir=DIR');
  if (upperdir !== undefined && workdir === undefined) {
    throw usageError('Cannot mount: found upperdir without workdir, want both');
  }
  settings.lowerdirs = settings.lowerdirs.map((dir) => path.resolve(dir));
  if (upperdir !== undefined) settings.upperdir = path.resolve(upperdir);
  if (workdir !== undefined) settings.workdir = path.resolve(workdir);
}
