/*
 * Here-documents, as the shell has them: a word `[fd]<<[-]NAME` in the line of RUN, COPY, ADD
 * (or ONBUILD of these) announces a body, which ends at a line that is NAME alone. Several in
 * one line: the bodies follow in their order. `<<-`: leading tabs are dropped. A quoted name
 * (<<"EOF", <<'EOF'): no expansion in the body.
 *
 *   RUN <<EOF python3
 *   print("hello")
 *   EOF
 */
import { UserError } from '../util/errors.js';
import { lexWords } from './words.js';

/** The announcement of a heredoc. */
export interface HeredocWord {
  readonly name: string;
  readonly fd: number;
  readonly stripTabs: boolean;
  readonly expand: boolean;
}

/** A heredoc with its body: the lines as they are, their ends included. */
export interface Heredoc extends HeredocWord {
  readonly content: string;
}

const HEREDOC = /^(\d*)<<(-?)\s*([^<]*)$/;

/** Takes one word as a heredoc's announcement; undefined if it is none. */
export function parseHeredocWord(word: string): HeredocWord | undefined {
  const match = HEREDOC.exec(word);
  const quoted = match?.[3] ?? '';
  if (match === null || quoted === '') return undefined;
  const plain = tryLex(quoted, false);
  const raw = tryLex(quoted, true);
  const name = plain?.[0];
  if (name === undefined || raw?.[0] === undefined || plain?.length !== 1) return undefined;
  return {
    name,
    fd: Number(match[1] || 0),
    stripTabs: match[2] === '-',
    expand: countQuotes(name) === countQuotes(raw[0]),
  };
}

/** The heredocs that a logical line announces, in order. */
export function heredocWords(line: string): HeredocWord[] {
  if (!line.includes('<<')) return [];
  const words = tryLex(line, true, true) ?? [];
  return words.map(parseHeredocWord).filter((word) => word !== undefined);
}

/** The body of a heredoc as the file or script has it: tabs dropped if `<<-` says so. */
export function heredocText(heredoc: Heredoc): string {
  return heredoc.stripTabs ? heredoc.content.replace(/^\t+/gm, '') : heredoc.content;
}

function countQuotes(word: string): number {
  return word.split('').filter((ch) => ch === '"' || ch === "'").length;
}

/** Splits words without expanding anything; undefined where quotes do not match. */
function tryLex(text: string, rawQuotes: boolean, rawEscapes = false): string[] | undefined {
  try {
    return lexWords(text, { escape: '\\', rawQuotes, rawEscapes, keepUnset: true }, NOTHING_SET);
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

const NOTHING_SET = (): undefined => undefined;
