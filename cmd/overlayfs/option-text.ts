/*
 * The text of mount options: `lowerdir=/a:/b\:c,upperdir=/u,ro`. A comma separates options, a
 * colon the directories of `lowerdir`; a backslash takes the next character as it is.
 */

/** Cuts at every `separator` that no backslash precedes; the backslashes stay. */
export function splitEscaped(text: string, separator: string): string[] {
  const parts: string[] = [];
  let part = '';
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i);
    if (char === '\\' && i + 1 < text.length) {
      part += char + text.charAt(++i);
    } else if (char === separator) {
      parts.push(part);
      part = '';
    } else {
      part += char;
    }
  }
  return [...parts, part];
}

/** Takes the backslashes out. */
export function unescapeText(text: string): string {
  return text.replaceAll(/\\(.)/gs, '$1');
}

/** One option: its name, and the value behind `=`, still with backslashes. */
export interface TypedOption {
  readonly name: string;
  readonly value: string | undefined;
}

/** The options of one `-o`. */
export function parseOptionText(text: string): TypedOption[] {
  return splitEscaped(text, ',')
    .filter((part) => part !== '')
    .map((part) => {
      const equals = part.indexOf('=');
      if (equals < 0) return { name: part, value: undefined };
      return { name: part.slice(0, equals), value: part.slice(equals + 1) };
    });
}
