/*
 * The word expander: quotes, escapes and variables of instructions other than RUN, as BuildKit
 * has them (a subset of the shell's, plus nothing).
 *
 *   $v ${v}                  the value, empty if unset
 *   ${v-w} ${v:-w}           w if unset (with a colon: or empty)
 *   ${v+w} ${v:+w}           w if set (and not empty)
 *   ${v?m} ${v:?m}           error m if unset (or empty)
 *   ${v#p} ${v##p} ${v%p} ${v%%p} ${v/p/r} ${v//p/r}    see shell-pattern.ts
 *   'text'                   as it is          "text"   variables, and \ before " $ \
 *   \c                       c itself; a \ at the end vanishes
 */
import { UserError } from '../util/errors.js';
import type { EscapeToken } from './ast.js';
import { codePoints } from './glob.js';
import { PartError } from './locate.js';
import { replacePattern, trimPrefix, trimSuffix } from './shell-pattern.js';
import { isSpace } from './space.js';

/** Of the values in one expansion: a few lines of ENV can double a value without end. */
const VALUES_CHARS_MAX = 1024 * 1024;
/** Of one ${…} in another. */
const NESTING_MAX = 100;
/** Of a text in a message; of a longer one, the part at fault is shown. */
const SHOWN_CHARS_MAX = 200;

/** The value of a variable; undefined: it is not set. */
export type Lookup = (name: string) => string | undefined;

export interface LexOptions {
  readonly escape: EscapeToken;
  /** Keeps quotes and escapes in the result. */
  readonly rawQuotes?: boolean;
  readonly rawEscapes?: boolean;
  /** Quotes are ordinary characters (bodies of heredocs). */
  readonly ignoreQuotes?: boolean;
  /** Leaves references to unset variables as they are. */
  readonly keepUnset?: boolean;
}

/** Expands `text` as one word: spaces stay. Throws TSB_PARSE without a position. */
export function expandWord(text: string, lookup: Lookup, escape: EscapeToken = '\\'): string {
  return new Lexer(text, { escape }, lookup).run().text;
}

/** Expands `text`, then splits it at white space outside of quotes. */
export function expandWords(text: string, lookup: Lookup, escape: EscapeToken = '\\'): string[] {
  return lexWords(text, { escape }, lookup);
}

/** Expands the body of a heredoc: variables and escapes, no quotes. */
export function expandBody(text: string, lookup: Lookup): string {
  return new Lexer(text, { escape: '\\', ignoreQuotes: true }, lookup).run().text;
}

/** {@link expandWords} with all its switches. */
export function lexWords(text: string, options: LexOptions, lookup: Lookup): string[] {
  return new Lexer(text, options, lookup).run().words;
}

/** Collects the words of a text: unquoted white space ends one. */
class WordList {
  readonly words: string[] = [];
  #word = '';

  add(text: string): void {
    for (const character of text) {
      if (!isSpace(character)) this.#word += character;
      else this.end();
    }
  }

  addQuoted(text: string): void {
    this.#word += text;
  }

  end(): void {
    if (this.#word !== '') this.words.push(this.#word);
    this.#word = '';
  }
}

class Lexer {
  readonly #source: string;
  readonly #characters: readonly string[];
  readonly #options: LexOptions;
  readonly #lookup: Lookup;
  #rawEscapes: boolean;
  #at = 0;
  /** Where the construct begins that is being read: what an error points at. */
  #start = 0;
  #depth = 0;
  #valuesChars = 0;

  constructor(source: string, options: LexOptions, lookup: Lookup) {
    this.#source = source;
    this.#characters = codePoints(source);
    this.#options = options;
    this.#lookup = (name) => this.#counted(lookup(name));
    this.#rawEscapes = options.rawEscapes ?? false;
  }

  #counted(value: string | undefined): string | undefined {
    this.#valuesChars += value?.length ?? 0;
    if (this.#valuesChars <= VALUES_CHARS_MAX) return value;
    throw new UserError(
      'TSB_LIMIT',
      `Cannot expand variables: their values have more than ${VALUES_CHARS_MAX} characters`,
    );
  }

  run(): { text: string; words: string[] } {
    return this.#until(undefined, this.#rawEscapes);
  }

  #peek(): string | undefined {
    return this.#characters[this.#at];
  }

  #next(): string | undefined {
    return this.#characters[this.#at++];
  }

  /**
   * Expands up to `stop`, which is consumed; undefined: up to the end of the text. In patterns
   * escapes are kept, because they mean something there; not in a word inside of a pattern.
   */
  #until(stop: string | undefined, rawEscapes: boolean): { text: string; words: string[] } {
    if (++this.#depth > NESTING_MAX) {
      throw new UserError(
        'TSB_LIMIT',
        `Cannot expand variables: found more than ${NESTING_MAX} of them inside of each other`,
        { hint: 'Give the inner one a name of its own, with ARG' },
      );
    }
    const [before, start] = [this.#rawEscapes, this.#start];
    this.#rawEscapes = rawEscapes;
    const result = this.#read(stop);
    this.#rawEscapes = before;
    this.#start = start;
    this.#depth--;
    return result;
  }

  #read(stop: string | undefined): { text: string; words: string[] } {
    const start = this.#start;
    let text = '';
    const words = new WordList();
    for (let ch = this.#peek(); ch !== undefined; ch = this.#peek()) {
      if (ch === stop) {
        this.#at++;
        words.end();
        return { text, words: words.words };
      }
      if (ch === '$') {
        const value = this.#dollar();
        text += value;
        words.add(value);
      } else if (this.#isQuoting(ch)) {
        const value = this.#quoting(ch);
        text += value;
        words.addQuoted(value);
      } else if (ch === this.#options.escape) {
        const value = this.#escaped();
        text += value;
        words.addQuoted(value);
      } else {
        this.#at++;
        text += ch;
        words.add(ch);
      }
    }
    this.#start = start;
    if (stop !== undefined) this.#fail(`the ${quote(stop)} is missing`, 'Close the ${…}');
    words.end();
    return { text, words: words.words };
  }

  #isQuoting(ch: string): boolean {
    return ch === '<' || (!this.#options.ignoreQuotes && (ch === "'" || ch === '"'));
  }

  #quoting(ch: string): string {
    this.#start = this.#at;
    if (ch === "'") return this.#singleQuoted();
    return ch === '"' ? this.#doubleQuoted() : this.#heredocStart();
  }

  #escaped(): string {
    const token = this.#next() ?? '';
    return (this.#rawEscapes ? token : '') + (this.#next() ?? '');
  }

  #singleQuoted(): string {
    const mark = this.#options.rawQuotes ? "'" : '';
    const end = this.#characters.indexOf("'", ++this.#at);
    if (end < 0) this.#fail("the closing ' is missing", "Add a ' or write \\'");
    const text = this.#characters.slice(this.#at, end).join('');
    this.#at = end + 1;
    return mark + text + mark;
  }

  #doubleQuoted(): string {
    const mark = this.#options.rawQuotes ? '"' : '';
    const { escape } = this.#options;
    const start = this.#at;
    let text = mark;
    this.#at++;
    for (let ch = this.#peek(); ch !== undefined; ch = this.#peek()) {
      if (ch === '$') {
        text += this.#dollar();
        continue;
      }
      this.#at++;
      if (ch === '"') return text + mark;
      if (ch === escape) {
        if (this.#rawEscapes) text += ch;
        const escaped = this.#peek();
        if (escaped === undefined) break;
        const special = escaped === '"' || escaped === '$' || escaped === escape;
        text += special ? escaped : ch;
        if (special) this.#at++;
      } else {
        text += ch;
      }
    }
    this.#start = start;
    return this.#fail('the closing " is missing', 'Add a " or write \\"');
  }

  /** `<<` and the white space behind it belong to the word: `<< EOF` is one. */
  #heredocStart(): string {
    this.#at++;
    if (this.#peek() !== '<') return '<';
    this.#at++;
    let text = '<<';
    for (let ch = this.#peek(); ch === ' ' || ch === '\t' || ch === '\r'; ch = this.#peek()) {
      text += ch;
      this.#at++;
    }
    return text;
  }

  #dollar(): string {
    this.#start = this.#at;
    this.#at++;
    if (this.#peek() === '{') {
      this.#at++;
      return this.#braced();
    }
    const name = this.#name();
    if (name === '') return '$';
    return this.#lookup(name) ?? (this.#options.keepUnset ? `$${name}` : '');
  }

  #name(): string {
    const first = this.#peek() ?? '';
    if (/^[@*#?\-$!]$/.test(first)) return this.#next() ?? '';
    if (/^\p{Nd}$/u.test(first)) return this.#takeWhile(/^\p{Nd}$/u);
    return /^[\p{L}_]$/u.test(first) ? this.#takeWhile(/^[\p{L}\p{Nd}_]$/u) : '';
  }

  /** The characters from here on that are in `set`. */
  #takeWhile(set: RegExp): string {
    let text = '';
    for (let ch = this.#peek(); ch !== undefined && set.test(ch); ch = this.#peek()) {
      text += ch;
      this.#at++;
    }
    return text;
  }

  #braced(): string {
    const first = this.#peek();
    if (first === undefined) this.#fail('the "}" is missing', 'Close the ${…}');
    if ('{}:'.includes(first)) this.#fail(`"\${${first}" has no name`, 'Write ${NAME}');
    const name = this.#name();
    if (name === '') this.#fail(`"\${${first}" has no name`, 'Write ${NAME}');
    const operator = this.#next();
    switch (operator) {
      case '}':
        return this.#lookup(name) ?? (this.#options.keepUnset ? `\${${name}}` : '');
      case ':':
        return this.#default(name, this.#next(), true);
      case '+':
      case '-':
      case '?':
        return this.#default(name, operator, false);
      case '#':
      case '%':
        return this.#trim(name, operator);
      case '/':
        return this.#replace(name);
      case undefined:
        return this.#fail('the "}" is missing', 'Close the ${…}');
      default:
        return this.#unknownOperator(name, operator);
    }
  }

  #default(name: string, operator: string | undefined, emptyIsUnset: boolean): string {
    if (operator === undefined) this.#fail('the "}" is missing', 'Close the ${…}');
    const colon = emptyIsUnset ? ':' : '';
    if (!'+-?'.includes(operator)) this.#unknownOperator(name, colon + operator);
    const word = this.#until('}', false).text;
    const value = this.#lookup(name);
    if (value === undefined && this.#options.keepUnset) {
      return `\${${name}${colon}${operator}${word}}`;
    }
    const usable = value !== undefined && !(emptyIsUnset && value === '');
    if (operator === '+') return usable ? word : '';
    if (usable) return value;
    if (operator === '-') return word;
    const state = value === undefined ? 'is not set' : 'is empty';
    return this.#fail(`"${name}" ${state}${word && `: ${word}`}`, `Pass --build-arg ${name}=VALUE`);
  }

  #trim(name: string, operator: '#' | '%'): string {
    const word = this.#until('}', true).text;
    const value = this.#lookup(name);
    if (value === undefined && this.#options.keepUnset) return `\${${name}${operator}${word}}`;
    const greedy = word.startsWith(operator);
    const pattern = greedy ? word.slice(1) : word;
    const trim = operator === '#' ? trimPrefix : trimSuffix;
    return this.#matching(() => trim(value ?? '', pattern, greedy));
  }

  #replace(name: string): string {
    const all = this.#peek() === '/';
    if (all) this.#at++;
    const pattern = this.#until('/', true).text;
    const replacement = this.#until('}', true).text;
    const value = this.#lookup(name);
    if (value === undefined && this.#options.keepUnset) {
      return `\${${name}/${pattern}/${replacement}}`;
    }
    return this.#matching(() => replacePattern(value ?? '', { pattern, replacement, all }));
  }

  /** Says of a pattern that cannot be used where it stands. */
  #matching(work: () => string): string {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      const { code, message, hint } = error;
      throw new PartError(code, message, { hint, part: { text: this.#textFromStart() } });
    }
  }

  #textFromStart(): string {
    return this.#characters.slice(this.#start, this.#at).join('');
  }

  #unknownOperator(name: string, operator: string): never {
    return this.#fail(
      `found "${operator}" behind "\${${name}"`,
      'Use one of :- - :+ + :? ? # ## % %% / //, or a backslash before the $',
    );
  }

  #fail(found: string, hint: string): never {
    const text = this.#textFromStart();
    const shown = this.#source.length > SHOWN_CHARS_MAX ? text : this.#source;
    throw new PartError('TSB_PARSE', `Cannot expand ${quote(shown)}: ${found}`, {
      hint,
      part: { text },
    });
  }
}

function quote(text: string): string {
  return JSON.stringify(text);
}
