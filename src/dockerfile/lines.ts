/*
 * Physical lines → logical lines, the first of which may be parser directives:
 *
 *   logical      = first ( `\` newline ( comment | blank | next ) )*  heredoc-bodies
 *   first        without leading white space; empty ones and comments are skipped
 *   next         with its leading white space; a comment in between is dropped, a blank line
 *                as well (with a warning)
 *
 * The escape token continues a line if it is the last character but blanks and has none of its
 * kind before it. CRLF and a byte order mark are accepted; bodies of heredocs stay as they are.
 */
import { type SourceRange, UserError } from '../util/errors.js';
import type { BuildfileWarning, Directives, EscapeToken } from './ast.js';
import { DirectiveReader } from './directives.js';
import { type Heredoc, type HeredocWord, heredocWords } from './heredoc.js';
import { parseJsonForm, splitLine } from './parser.js';

/** An instruction's text with its continuations joined. */
export interface LogicalLine {
  readonly text: string;
  readonly source: SourceRange;
  readonly heredocs: readonly Heredoc[];
}

export interface LogicalLines {
  readonly lines: readonly LogicalLine[];
  readonly directives: Directives;
  readonly warnings: readonly BuildfileWarning[];
}

const HEREDOC_KEYWORDS: readonly string[] = ['run', 'copy', 'add'];

/** Reads all logical lines of a Buildfile. Throws TSB_PARSE with a position. */
export function readLogicalLines(text: string, file: string): LogicalLines {
  const reader = new LineReader(text, file);
  const lines: LogicalLine[] = [];
  for (let line = reader.next(); line !== undefined; line = reader.next()) lines.push(line);
  const { directives, warnings } = reader;
  return { lines, directives, warnings };
}

class LineReader {
  readonly #file: string;
  /** With their line ends. */
  readonly #physical: readonly string[];
  readonly #directives: DirectiveReader;
  readonly #warnings: BuildfileWarning[] = [];
  /** How many physical lines are consumed: the number of the last one, from 1. */
  #consumed = 0;

  constructor(text: string, file: string) {
    this.#file = file;
    this.#physical = text.replace(/^\uFEFF/, '').match(/[^\n]*\n|[^\n]+$/g) ?? [];
    this.#directives = new DirectiveReader(file);
  }

  get directives(): Directives {
    return this.#directives.directives();
  }

  get warnings(): BuildfileWarning[] {
    return [...this.#directives.warnings, ...this.#warnings];
  }

  next(): LogicalLine | undefined {
    for (let raw = this.#take(); raw !== undefined; raw = this.#take()) {
      const first = trimEnd(raw).trimStart();
      this.#directives.offer(first);
      if (first === '' || isComment(first)) continue;
      const startLine = this.#consumed;
      const text = this.#joinContinuations(first);
      if (text.trim() === '') continue;
      const heredocs = this.#readHeredocs(text, startLine);
      return { text, source: this.#range(startLine), heredocs };
    }
    return undefined;
  }

  #take(): string | undefined {
    return this.#physical[this.#consumed++];
  }

  #range(startLine: number): SourceRange {
    const endLine = Math.min(this.#consumed, this.#physical.length);
    return { file: this.#file, startLine, endLine };
  }

  #joinContinuations(first: string): string {
    const startLine = this.#consumed;
    let { text, continues } = cutContinuation(first, this.#directives.escape);
    let hasBlankLine = false;
    while (continues) {
      const raw = this.#take();
      if (raw === undefined) break;
      const line = trimEnd(raw);
      if (isComment(line)) continue;
      if (line.trim() === '') {
        hasBlankLine = true;
        continue;
      }
      const cut = cutContinuation(line, this.#directives.escape);
      text += cut.text;
      continues = cut.continues;
    }
    if (hasBlankLine) {
      this.#warnings.push({
        message: 'A continued instruction has a blank line in it',
        hint: 'Remove the blank line, or put a # on it',
        source: this.#range(startLine),
      });
    }
    return text;
  }

  #readHeredocs(text: string, startLine: number): Heredoc[] {
    if (!canHaveHeredocs(text, this.#directives.escape)) return [];
    return heredocWords(text).map((word) => ({
      ...word,
      content: this.#readBody(word, startLine),
    }));
  }

  #readBody(word: HeredocWord, startLine: number): string {
    let content = '';
    for (let raw = this.#take(); raw !== undefined; raw = this.#take()) {
      const line = trimEnd(raw);
      const end = word.stripTabs ? line.replace(/^\t+/, '') : line;
      if (end === word.name) return content;
      content += raw;
    }
    throw new UserError(
      'TSB_PARSE',
      `Cannot read heredoc "${word.name}": found the end of the file, want a line "${word.name}"`,
      {
        hint: `Put ${word.name} alone on a line, without blanks before or behind it`,
        source: this.#range(startLine),
      },
    );
  }
}

function trimEnd(line: string): string {
  return line.replace(/[\r\n]+$/, '');
}

function isComment(line: string): boolean {
  return line.trimStart().startsWith('#');
}

function cutContinuation(line: string, escape: EscapeToken): { text: string; continues: boolean } {
  const bare = line.replace(/[ \t]+$/, '');
  const continues = bare.endsWith(escape) && bare.at(-2) !== escape;
  return { text: continues ? bare.slice(0, -1) : line, continues };
}

/** Whether `<<` in this line announces a heredoc: RUN, COPY, ADD in their shell forms. */
function canHaveHeredocs(text: string, escape: EscapeToken): boolean {
  const { keyword, rest } = splitLine(text, escape);
  const lower = keyword.toLowerCase();
  if (lower === 'onbuild') return canHaveHeredocs(rest, escape);
  return HEREDOC_KEYWORDS.includes(lower) && !isJson(rest);
}

function isJson(rest: string): boolean {
  try {
    return parseJsonForm(rest) !== undefined;
  } catch (error) {
    if (error instanceof UserError) return true;
    throw error;
  }
}
