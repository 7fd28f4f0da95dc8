/*
 * White space as the Dockerfile language has it: Go's unicode.IsSpace. JavaScript's differs in
 * U+0085 (a space only there) and U+FEFF (one only here). Loops, not patterns: a pattern that ends
 * in `$` takes quadratic time for a long run of blanks in the middle.
 */
const SPACE = /[\t\n\v\f\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

/** Whether one character is white space. */
export function isSpace(character: string): boolean {
  return SPACE.test(character);
}

/** `text` without leading white space. */
export function trimSpaceStart(text: string): string {
  let at = 0;
  while (at < text.length && isSpace(text.charAt(at))) at++;
  return text.slice(at);
}

/** `text` without white space on both ends. */
export function trimSpace(text: string): string {
  return trimSpaceStart(trimEndOf(text, isSpace));
}

/** `text` without the characters at its end that `isDropped` accepts. */
export function trimEndOf(text: string, isDropped: (character: string) => boolean): string {
  let end = text.length;
  while (end > 0 && isDropped(text.charAt(end - 1))) end--;
  return text.slice(0, end);
}
