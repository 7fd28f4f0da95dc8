/*
 * Parser directives: comments `# name=value` on the first lines, before anything else (an empty
 * line or an ordinary comment ends them). Names are case-insensitive and known: escape, syntax,
 * check; each at most once.
 *
 *   # syntax=docker/dockerfile:1
 *   # escape=`
 */
import { UserError } from '../util/errors.js';
import type { BuildfileWarning, Directives, EscapeToken } from './ast.js';

const DIRECTIVE = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/;
const DIRECTIVE_NAMES: readonly string[] = ['escape', 'syntax', 'check'];

/** The newest `docker/dockerfile` language whose flags and forms the parser knows. */
const LANGUAGE_VERSION = { major: 1, minor: 20 };

/** Reads directives line by line until a line is not one. */
export class DirectiveReader {
  readonly #file: string;
  readonly #values = new Map<string, string>();
  #line = 0;
  #done = false;
  readonly warnings: BuildfileWarning[] = [];

  constructor(file: string) {
    this.#file = file;
  }

  /** Offers the next physical line, without its leading white space. */
  offer(text: string): void {
    this.#line++;
    if (this.#done) return;
    const match = DIRECTIVE.exec(text);
    const name = match?.[1]?.toLowerCase();
    const value = match?.[2];
    if (name === undefined || value === undefined || !DIRECTIVE_NAMES.includes(name)) {
      this.#done = true;
      return;
    }
    this.#accept(name, value);
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
    };
  }

  #accept(name: string, value: string): void {
    const source = { file: this.#file, startLine: this.#line, endLine: this.#line };
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
    const message = name === 'syntax' ? syntaxProblem(value) : undefined;
    if (message !== undefined) {
      this.warnings.push({
        message,
        hint: 'tsbuild reads the file with its own parser and refuses what it does not know',
        source,
      });
    }
  }
}

/** Why a `# syntax=` names another language than ours; undefined if it does not. */
function syntaxProblem(value: string): string | undefined {
  const reference = (value.split(' ')[0] ?? '').replace(/@.*$/, '');
  if (reference === 'dockerfile.v0') return undefined;
  const match = /^(?:docker\.io\/)?docker\/dockerfile(?::([^/:]+))?$/.exec(reference);
  if (match === null) return `The syntax directive names "${value}", which tsbuild does not run`;
  const tag = match[1] ?? 'latest';
  const version = /^(\d+)(?:\.(\d+))?(?:\.\d+)?$/.exec(tag);
  const major = Number(version?.[1] ?? LANGUAGE_VERSION.major);
  const minor = Number(version?.[2] ?? 0);
  const known =
    tag === 'latest' ||
    (version !== null && major === LANGUAGE_VERSION.major && minor <= LANGUAGE_VERSION.minor);
  if (known) return undefined;
  const ours = `${LANGUAGE_VERSION.major}.${LANGUAGE_VERSION.minor}`;
  return `The syntax directive names "${value}", tsbuild implements docker/dockerfile:${ours}`;
}
