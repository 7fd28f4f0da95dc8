/*
 * Parser directives: comments `# name=value` on the first lines, before anything else (an empty
 * line or an ordinary comment ends them). Names are case-insensitive and known: escape, syntax,
 * check; each at most once.
 *
 *   # syntax=docker/dockerfile:1
 *   # check=skip=JSONArgsRecommended;error=true
 *   # escape=`
 *
 * A first line `#!…` is skipped; `escape` does not count below it (as in BuildKit).
 */
import { UserError } from '../util/errors.js';
import type { BuildfileWarning, Directives, EscapeToken } from './ast.js';
import { isSpace, trimEndOf, trimSpace, trimSpaceStart } from './space.js';

const DIRECTIVE_NAMES: readonly string[] = ['escape', 'syntax', 'check'];

/** The newest `docker/dockerfile` language whose flags and forms the parser knows. */
const LANGUAGE_VERSION = { major: 1, minor: 26 };

/** Reads directives line by line until a line is not one. */
export class DirectiveReader {
  readonly #file: string;
  readonly #values = new Map<string, string>();
  #line = 0;
  #checkLine: number | undefined;
  #done = false;
  /** Below a shebang line `syntax` and `check` are looked for, and nothing else. */
  #isBelowShebang = false;
  readonly warnings: BuildfileWarning[] = [];

  constructor(file: string) {
    this.#file = file;
  }

  /** Offers the next physical line, without its leading white space; whether it was taken. */
  offer(text: string): boolean {
    this.#line++;
    if (this.#done) return false;
    if (this.#line === 1 && text.startsWith('#!')) {
      this.#isBelowShebang = true;
      return true;
    }
    const directive = parseDirective(text, '#');
    if (directive === undefined) {
      this.#done = true;
      return false;
    }
    this.#accept(directive);
    return true;
  }

  /**
   * Throws TSB_UNSUPPORTED for a file that says, as BuildKit lets it, to be in another language:
   * by `// syntax=` lines, or as a JSON object with a key `syntax`.
   */
  refuseOtherLanguages(lines: readonly string[]): void {
    const first = lines[0]?.startsWith('#!') === true ? 1 : 0;
    for (let index = first; index < lines.length; index++) {
      const directive = parseDirective(lines[index] ?? '', '//');
      if (directive === undefined) break;
      if (directive.name === 'syntax') throw this.#otherLanguage(directive.value, index + 1);
    }
    const value = jsonSyntax(lines.slice(first));
    if (value !== undefined) throw this.#otherLanguage(value, first + 1);
  }

  get escape(): EscapeToken {
    return this.#values.get('escape') === '`' ? '`' : '\\';
  }

  directives(): Directives {
    const syntax = this.#values.get('syntax');
    const check = this.#values.get('check');
    return {
      escape: this.escape,
      ...(syntax !== undefined && { syntax }),
      ...(check !== undefined && { check }),
      ...(this.#checkLine !== undefined && { checkLine: this.#checkLine }),
    };
  }

  #accept({ name, value }: Directive): void {
    const source = { file: this.#file, startLine: this.#line, endLine: this.#line };
    if (name === 'escape' && this.#isBelowShebang) return;
    if (this.#values.has(name)) {
      throw new UserError(
        'TSB_PARSE',
        `Cannot parse directive "${name}": found it a second time, want it once`,
        { hint: 'Remove this line', source },
      );
    }
    if (name === 'escape' && value !== '\\' && value !== '`') {
      throw new UserError(
        'TSB_PARSE',
        `Cannot parse directive "escape": found "${value}", want \\ or \``,
        { hint: 'Write `# escape=\\` or remove the line', source },
      );
    }
    this.#values.set(name, value);
    if (name === 'check') this.#checkLine = this.#line;
    const message = name === 'syntax' ? syntaxProblem(value) : undefined;
    if (message !== undefined) {
      this.warnings.push({
        message,
        hint: 'tsbuild reads the file with its own parser and refuses what it does not know',
        source,
      });
    }
  }

  #otherLanguage(value: string, line: number): UserError {
    return new UserError(
      'TSB_UNSUPPORTED',
      `Cannot read "${this.#file}": found the language "${value}", want Dockerfile's`,
      {
        hint: 'Build it with docker buildx build, which runs the frontend that the file names',
        source: { file: this.#file, startLine: line, endLine: line },
      },
    );
  }
}

interface Directive {
  readonly name: string;
  readonly value: string;
}

/** `<comment> name = value`; undefined for any other line, and for a name that nobody knows. */
export function parseDirective(line: string, comment: '#' | '//' | ''): Directive | undefined {
  if (!line.startsWith(comment)) return undefined;
  const text = trimSpaceStart(line.slice(comment.length));
  const equals = text.indexOf('=');
  const name = trimEndOf(text.slice(0, Math.max(0, equals)), isSpace).toLowerCase();
  const value = trimSpace(text.slice(equals + 1));
  return DIRECTIVE_NAMES.includes(name) && value !== '' ? { name, value } : undefined;
}

function jsonSyntax(lines: readonly string[]): string | undefined {
  if (!trimSpaceStart(lines[0] ?? '').startsWith('{')) return undefined;
  try {
    const parsed: unknown = JSON.parse(lines.join(''));
    if (typeof parsed !== 'object' || parsed === null || !('syntax' in parsed)) return undefined;
    return typeof parsed.syntax === 'string' ? parsed.syntax : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * Why a `# syntax=`, or what else is called `what`, names another language than ours; undefined
 * if it does not.
 */
export function syntaxProblem(value: string, what = 'The syntax directive'): string | undefined {
  const reference = (value.split(' ')[0] ?? '').replace(/@.*$/, '');
  if (reference === 'dockerfile.v0') return undefined;
  const match = /^(?:docker\.io\/)?docker\/dockerfile(?::([^/:]+))?$/.exec(reference);
  if (match === null) return `${what} names "${value}", which tsbuild does not run`;
  const tag = match[1] ?? 'latest';
  const version = /^(\d+)(?:\.(\d+))?(?:\.\d+)?$/.exec(tag);
  const major = Number(version?.[1] ?? LANGUAGE_VERSION.major);
  const minor = Number(version?.[2] ?? 0);
  const known =
    tag === 'latest' ||
    (version !== null && major === LANGUAGE_VERSION.major && minor <= LANGUAGE_VERSION.minor);
  if (known) return undefined;
  const ours = `${LANGUAGE_VERSION.major}.${LANGUAGE_VERSION.minor}`;
  return `${what} names "${value}", tsbuild implements docker/dockerfile:${ours}`;
}
