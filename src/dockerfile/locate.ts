import type { SourcePoint, SourceRange } from '../util/errors.js';
import { UserError } from '../util/errors.js';
import type { ErrorCode } from '../util/error-codes.js';
import type { Join } from './ast.js';
import { trimSpace, trimSpaceStart } from './space.js';

/** A logical line, as far as it takes to find a part of it in the file. */
export interface Locatable {
  readonly source: SourceRange;
  readonly original: string;
  readonly joins?: readonly Join[];
}

/**
 * Words of a logical line, as they are written; `last`: where they stand last. Blanks at the ends
 * only help to find them.
 */
export interface Part {
  readonly text: string;
  readonly last?: boolean;
}

/** A UserError about a part of a logical line, which gets its position from {@link placed}. */
export class PartError extends UserError {
  readonly part: Part;

  constructor(
    code: ErrorCode,
    message: string,
    { hint, part }: { hint?: string | undefined; part: Part },
  ) {
    super(code, message, hint === undefined ? {} : { hint });
    this.part = part;
  }
}

/** The error with the position of the line, and of the part that it is about. */
export function placed(error: unknown, line: Locatable): unknown {
  if (!(error instanceof UserError)) return error;
  const source = error instanceof PartError ? sourceOf(line, error.part) : line.source;
  return error.at(source);
}

/** The range of a line, with the place of a part of it if that is found. */
export function sourceOf(line: Locatable, part: Part): SourceRange {
  const at = findPart(line, part);
  return at === undefined ? line.source : { ...line.source, at };
}

/** Where a part stands in the file; undefined if its text is not in the line as it is written. */
function findPart(line: Locatable, { text, last }: Part): SourcePoint | undefined {
  const words = trimSpace(text);
  if (words === '') return undefined;
  const found = last ? line.original.lastIndexOf(text) : findWord(line.original, text);
  if (found < 0) return undefined;
  const offset = found + text.length - trimSpaceStart(text).length;
  const joins = line.joins ?? [{ offset: 0, line: line.source.startLine, column: 1 }];
  const join = joins.findLast((each) => each.offset <= offset);
  if (join === undefined) return undefined;
  const end = joins.find((each) => each.offset > offset)?.offset ?? line.original.length;
  return {
    line: join.line,
    column: join.column + offset - join.offset,
    length: Math.min(words.length, end - offset),
  };
}

/** Rather a whole word than the beginning of a longer one. */
function findWord(line: string, text: string): number {
  const inWord = /[\p{L}\p{Nd}_]/u;
  const isEdge = (inner: string, outer: string): boolean =>
    !inWord.test(inner) || !inWord.test(outer);
  for (let at = line.indexOf(text); at >= 0; at = line.indexOf(text, at + 1)) {
    const end = at + text.length;
    const startsWord = isEdge(text.charAt(0), line.charAt(at - 1));
    if (startsWord && isEdge(text.charAt(text.length - 1), line.charAt(end))) return at;
  }
  return line.indexOf(text);
}
