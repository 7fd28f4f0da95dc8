/*
 * Physical lines → logical lines, the first of which may be parser directives:
 *
 *   logical      = first ( `\` newline ( comment | blank | next ) )*  heredoc-bodies
 *   first        without leading white space; empty ones and comments are skipped
 *   next         with its leading white space; a comment in between is dropped, a blank line
 *                as well (a lint rule warns of it)
 *
 * The escape token continues a line if it is the last character but blanks and has none of its
 * kind before it. CRLF and a byte order mark are accepted; bodies of heredocs stay as they are.
 */
import { type SourceRange, UserError } from '../util/errors.js';
import type { BuildfileWarning, Directives, EscapeToken, Join } from './ast.js';
import { DirectiveReader } from './directives.js';
import { type Heredoc, type HeredocWord, heredocWords } from './heredoc.js';
import { type Locatable, sourceOf } from './locate.js';
import { parseJsonForm, splitLine } from './parser.js';
import { trimEndOf, trimSpace, trimSpaceStart } from './space.js';

/** An instruction's text with its continuations joined; `original` is trimmed. */
export interface LogicalLine extends Locatable {
  readonly heredocs: readonly Heredoc[];
  readonly comments: readonly string[];
  readonly blankLine?: number;
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

/** What the continuations of a line add up to. */
interface Joined {
  readonly text: string;
  readonly joins: Join[];
  readonly blankLine: number | undefined;
}

class LineReader {
  readonly #file: string;
  /** With their line ends. */
  readonly #physical: readonly string[];
  readonly #directives: DirectiveReader;
  /** How many physical lines are consumed: the number of the last one, from 1. */
  #consumed = 0;
  #comments: string[] = [];

  constructor(text: string, file: string) {
    this.#file = file;
    this.#physical = text.replace(/^\uFEFF/, '').match(/[^\n]*\n|[^\n]+$/g) ?? [];
    this.#directives = new DirectiveReader(file);
    this.#directives.refuseOtherLanguages(this.#physical);
  }

  get directives(): Directives {
    return this.#directives.directives();
  }

  get warnings(): readonly BuildfileWarning[] {
    return this.#directives.warnings;
  }

  next(): LogicalLine | undefined {
    for (let raw = this.#take(); raw !== undefined; raw = this.#take()) {
      const first = trimSpaceStart(trimLineEnd(raw));
      const isDirective = this.#directives.offer(first);
      if (first === '' || isComment(first)) {
        if (!isDirective) this.#keepComment(first);
        continue;
      }
      const startLine = this.#consumed;
      const { text, joins, blankLine } = this.#joinContinuations(raw, first);
      const original = trimSpace(text);
      if (original === '') continue;
      const line = {
        original,
        source: this.#range(startLine),
        ...withJoins(joins, text.indexOf(original), startLine),
      };
      const heredocs = this.#readHeredocs(line);
      const comments = this.#comments;
      this.#comments = [];
      return {
        ...line,
        source: this.#range(startLine),
        heredocs,
        comments,
        ...(blankLine !== undefined && { blankLine }),
      };
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

  /** An empty line or comment parts those above it from the instruction. */
  #keepComment(line: string): void {
    const comment = trimSpace(line.slice(1));
    if (comment === '') this.#comments = [];
    else this.#comments.push(comment);
  }

  #joinContinuations(raw: string, first: string): Joined {
    let { text, continues } = cutContinuation(first, this.#directives.escape);
    const column = trimLineEnd(raw).length - first.length + 1;
    const joins: Join[] = [{ offset: 0, line: this.#consumed, column }];
    let blankLine: number | undefined;
    while (continues) {
      const next = this.#take();
      if (next === undefined) break;
      const line = trimLineEnd(next);
      if (isComment(line)) continue;
      if (trimSpaceStart(line) === '') {
        blankLine ??= this.#consumed;
        continue;
      }
      joins.push({ offset: text.length, line: this.#consumed, column: 1 });
      const cut = cutContinuation(line, this.#directives.escape);
      text += cut.text;
      continues = cut.continues;
    }
    return { text, joins, blankLine };
  }

  #readHeredocs(line: Locatable): Heredoc[] {
    if (!canHaveHeredocs(line.original, this.#directives.escape)) return [];
    return heredocWords(line.original).map((word) => ({
      ...word,
      content: this.#readBody(word, line),
    }));
  }

  #readBody(word: HeredocWord, announced: Locatable): string {
    const lines: string[] = [];
    for (let raw = this.#take(); raw !== undefined; raw = this.#take()) {
      const line = trimLineEnd(raw);
      const end = word.stripTabs ? line.replace(/^\t+/, '') : line;
      if (end === word.name) return lines.join('');
      lines.push(raw);
    }
    const source = this.#range(announced.source.startLine);
    throw new UserError(
      'TSB_PARSE',
      `Cannot read heredoc "${word.name}": found the end of the file, want a line "${word.name}"`,
      {
        hint: `Put ${word.name} alone on a line, without blanks before or behind it`,
        source: sourceOf({ ...announced, source }, { text: word.name }),
      },
    );
  }
}

/** The joins as offsets of the trimmed text; none for a single line at column 1. */
function withJoins(joins: Join[], trimmed: number, startLine: number): { joins?: Join[] } {
  const shifted = joins
    .filter(({ offset }, index) => offset >= trimmed || (joins[index + 1]?.offset ?? 1e9) > trimmed)
    .map(({ offset, line, column }) => ({
      offset: Math.max(0, offset - trimmed),
      line,
      column: column + Math.max(0, trimmed - offset),
    }));
  const [only] = shifted;
  const isPlain = shifted.length === 1 && only?.line === startLine && only.column === 1;
  return isPlain ? {} : { joins: shifted };
}

function trimLineEnd(line: string): string {
  return trimEndOf(line, (ch) => ch === '\r' || ch === '\n');
}

function isComment(line: string): boolean {
  return trimSpaceStart(line).startsWith('#');
}

function cutContinuation(line: string, escape: EscapeToken): { text: string; continues: boolean } {
  const bare = trimEndOf(line, (ch) => ch === ' ' || ch === '\t');
  const continues = bare.endsWith(escape) && bare.at(-2) !== escape;
  return { text: continues ? bare.slice(0, -1) : line, continues };
}

/** Whether `<<` in this line announces a heredoc: RUN, COPY, ADD in their shell forms. */
function canHaveHeredocs(text: string, escape: EscapeToken): boolean {
  if (!text.includes('<<')) return false;
  let { keyword, rest } = splitLine(text, escape);
  if (keyword.toLowerCase() === 'onbuild') ({ keyword, rest } = splitLine(rest, escape));
  return HEREDOC_KEYWORDS.includes(keyword.toLowerCase()) && !isJson(rest);
}

function isJson(rest: string): boolean {
  try {
    return parseJsonForm(rest) !== undefined;
  } catch (error) {
    if (error instanceof UserError) return true;
    throw error;
  }
}
