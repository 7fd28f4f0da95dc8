import { UserError } from './errors.js';

/**
 * The fields of one line of comma-separated values: `a,"b,c"` are `a` and `b,c`; `""` inside quotes
 * is a quote. Throws TSB_PARSE, without a position. Source: RFC 4180, as Go's encoding/csv has it.
 */
export function splitCommaFields(text: string): string[] {
  const fields: string[] = [];
  for (let at = 0; ;) {
    const field = text[at] === '"' ? quotedField(text, at) : plainField(text, at);
    fields.push(field.value);
    if (field.end === text.length) return fields;
    at = field.end + 1;
  }
}

interface Field {
  readonly value: string;
  /** The comma behind it, or the end. */
  readonly end: number;
}

function plainField(text: string, start: number): Field {
  const comma = text.indexOf(',', start);
  const end = comma < 0 ? text.length : comma;
  const value = text.slice(start, end);
  if (value.includes('"')) throw malformed(text, 'a quote in the middle of a field');
  return { value, end };
}

function quotedField(text: string, start: number): Field {
  let value = '';
  for (let at = start + 1; ;) {
    const quote = text.indexOf('"', at);
    if (quote < 0) throw malformed(text, 'no closing quote');
    value += text.slice(at, quote);
    const next = text[quote + 1];
    if (next === undefined || next === ',') return { value, end: quote + 1 };
    if (next !== '"') throw malformed(text, 'text behind a closing quote');
    value += '"';
    at = quote + 2;
  }
}

function malformed(text: string, found: string): UserError {
  return new UserError(
    'TSB_PARSE',
    `Cannot split ${JSON.stringify(text)} at its commas: found ${found}`,
    {
      hint: 'Quote a whole field, as in type=bind,"source=a,b"',
    },
  );
}
