/*
 * One logical line: KEYWORD [--flag[=value] ...] rest. Quotes and escapes in flags are taken
 * away; `--` ends the flags. The rest is what the keyword makes of it: a JSON array or text,
 * white-space separated arguments, or words with their quotes.
 */
import type { EscapeToken } from './ast.js';
import { PartError } from './locate.js';
import { isSpace, trimSpace, trimSpaceStart } from './space.js';

/** A logical line in its parts; `keyword` as written. */
export interface SplitLine {
  readonly keyword: string;
  readonly flags: readonly string[];
  /** Trimmed. */
  readonly rest: string;
}

const BLANKS = /[\t\v\f\r ]+/;

/** Splits a logical line into keyword, flags and rest. */
export function splitLine(line: string, escape: EscapeToken): SplitLine {
  const trimmed = trimSpace(line);
  const blank = BLANKS.exec(trimmed);
  if (blank === null) return { keyword: trimmed, flags: [], rest: '' };
  const behind = trimmed.slice(blank.index + blank[0].length);
  const { flags, rest } = splitFlags(behind, escape);
  return { keyword: trimmed.slice(0, blank.index), flags, rest: trimSpace(rest) };
}

function splitFlags(text: string, escape: EscapeToken): { flags: string[]; rest: string } {
  const flags: string[] = [];
  let rest = trimSpaceStart(text);
  while (rest.startsWith('--')) {
    const { word, length } = readFlag(rest, escape);
    rest = trimSpaceStart(rest.slice(length));
    if (word === '--') break;
    flags.push(word);
  }
  return { flags, rest };
}

/** Reads one flag without its quotes and escapes; `length` is what it takes of `text`. */
function readFlag(text: string, escape: EscapeToken): { word: string; length: number } {
  let word = '';
  let quote: string | undefined;
  let at = 0;
  for (; at < text.length; at++) {
    const ch = text.charAt(at);
    if (ch === quote) quote = undefined;
    else if (ch === escape) word += text.charAt(++at);
    else if (quote !== undefined) word += ch;
    else if (isSpace(ch)) break;
    else if (ch === "'" || ch === '"') quote = ch;
    else word += ch;
  }
  return { word, length: at };
}

/** Splits at white space, with nothing quoted or escaped. */
export function splitBlanks(rest: string): string[] {
  return rest === '' ? [] : rest.split(BLANKS);
}

/** Splits at the first white space: the two arguments of `ENV name value`. */
export function splitFirstBlank(rest: string): [first: string, second: string | undefined] {
  const blank = BLANKS.exec(rest);
  if (blank === null) return [rest, undefined];
  return [rest.slice(0, blank.index), rest.slice(blank.index + blank[0].length)];
}

/**
 * Takes `rest` as a JSON array of strings; undefined if it is not a JSON array at all (the shell
 * form). Throws TSB_PARSE for an array with anything but strings.
 */
export function parseJsonForm(rest: string): string[] | undefined {
  if (!trimSpaceStart(rest).startsWith('[')) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(rest);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (!Array.isArray(value)) return undefined;
  return value.map((item: unknown) => {
    if (typeof item === 'string') return item;
    const found = describeItem(item);
    throw new PartError(
      'TSB_PARSE',
      `Cannot parse JSON array: found ${found} in it, want strings only`,
      { hint: 'Put double quotes around each item', part: { text: found } },
    );
  });
}

/** What stands in the place of a string. Not as JSON: it may be nested without end. */
function describeItem(item: unknown): string {
  if (Array.isArray(item)) return 'an array';
  return typeof item === 'object' && item !== null ? 'an object' : String(item);
}

/** Splits into words as the shell would, each with its quotes and escapes as written. */
export function splitWords(rest: string, escape: EscapeToken): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  for (let at = 0; at < rest.length; at++) {
    const ch = rest.charAt(at);
    if (quote === undefined && isSpace(ch)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (ch === escape && quote !== "'") {
      // An escape token at the very end vanishes.
      if (at + 1 < rest.length) word = (word ?? '') + ch + rest.charAt(++at);
    } else {
      word = (word ?? '') + ch;
      if (ch === quote) quote = undefined;
      else if (quote === undefined && (ch === "'" || ch === '"')) quote = ch;
    }
  }
  if (word !== undefined) words.push(word);
  return words;
}
