import { isUtf8 } from 'node:buffer';

/** A shorter secret would be found by chance, and cannot be looked for. */
export const SECRET_BYTES_MIN = 8;

/** Grows when secrets are looked for in other forms, or in other places. */
export const FORMS_VERSION = 1;

/** A secret to look for. */
export interface GuardedSecret {
  readonly id: string;
  readonly bytes: Buffer;
}

/** How a secret may be written. */
export type SecretForm = 'as it is' | 'in Base64' | 'percent-encoded' | 'escaped for JSON';

/** One way to write one secret. At least {@link SECRET_BYTES_MIN} long. */
export interface Pattern {
  readonly id: string;
  readonly form: SecretForm;
  readonly bytes: Buffer;
}

/** Whether a secret can be looked for: white space around it does not count. */
export function isGuardable({ bytes }: GuardedSecret): boolean {
  return trim(bytes).length >= SECRET_BYTES_MIN;
}

/** Every way to write these secrets; those that are too short are left out. */
export function patternsOf(secrets: readonly GuardedSecret[]): Pattern[] {
  const known = new Set<string>();
  const patterns: Pattern[] = [];
  for (const { id, bytes } of secrets) {
    const secret = trim(bytes);
    if (secret.length < SECRET_BYTES_MIN) continue;
    for (const [form, written] of formsOf(secret)) {
      const key = `${id}\0${written.toString('latin1')}`;
      if (known.has(key)) continue;
      known.add(key);
      patterns.push({ id, form, bytes: written });
    }
  }
  return patterns;
}

/**
 * What a program shows that shows a part of a secret, as it is: the lines of secrets that have
 * several, and the values of lines such as `key=value` and `key: value`.
 */
export function linePatternsOf(secrets: readonly GuardedSecret[]): Pattern[] {
  return secrets.flatMap(({ id, bytes }) => {
    const lines = trim(bytes)
      .toString('latin1')
      .split(/[\r\n]+/);
    const values = lines.map(valueOf).filter((value) => value !== undefined);
    return [...(lines.length === 1 ? [] : lines), ...values]
      .map((line) => ({ id, form: 'as it is' as const, bytes: trim(Buffer.from(line, 'latin1')) }))
      .filter((pattern) => pattern.bytes.length >= SECRET_BYTES_MIN);
  });
}

/** Shorter values may be words that a secret has in common with others. */
const VALUE_BYTES_MIN = 16;

/** The value of a setting, without quotes; undefined: none, or one that is hardly a secret. */
function valueOf(line: string): string | undefined {
  const [, text = ''] = /^[^=]*?(?:=|:[ \t])(.*)$/.exec(line) ?? [];
  const value = text.trim().replace(/^["']|["']?[,;]?$/g, '');
  const isToken = /^\S+$/.test(value) && /\d/.test(value) && /[A-Za-z]/.test(value);
  const isUrl = value.includes('://');
  return value.length >= VALUE_BYTES_MIN && isToken && !isUrl ? value : undefined;
}

function* formsOf(secret: Buffer): Generator<readonly [SecretForm, Buffer]> {
  yield ['as it is', secret];
  for (const text of base64Of(secret)) {
    yield ['in Base64', Buffer.from(text)];
    yield ['in Base64', Buffer.from(text.replaceAll('+', '-').replaceAll('/', '_'))];
  }
  if (!isUtf8(secret)) return;
  const text = secret.toString('utf8');
  for (const encoded of percentEncodings(text)) yield ['percent-encoded', Buffer.from(encoded)];
  for (const escaped of jsonEscapes(text)) yield ['escaped for JSON', Buffer.from(escaped)];
}

/** The characters that only the secret decides, where 0, 1 or 2 bytes of a group precede it. */
function base64Of(secret: Buffer): string[] {
  return [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), secret]).toString('base64');
    const first = Math.ceil((before * 8) / 6);
    const end = Math.floor(((before + secret.length) * 8) / 6);
    return text.slice(first, end);
  });
}

/** As JavaScript does it, with fewer exceptions, and with small letters. */
function percentEncodings(text: string): string[] {
  const loose = encodeURIComponent(text);
  const strict = loose.replace(
    /[!'()*~]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  const form = strict.replaceAll('%20', '+');
  const small = (encoded: string): string =>
    encoded.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase());
  return [loose, strict, form, small(loose), small(strict), small(form)];
}

/** As JavaScript does it, and as Go (`<>&`) and Python (all but ASCII) do it. */
function jsonEscapes(text: string): string[] {
  const plain = JSON.stringify(text).slice(1, -1);
  const escape = (c: string): string => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`;
  const html = plain.replace(/[<>&\u2028\u2029]/g, escape);
  const ascii = plain.replace(/[^\0-\x7f]/g, escape);
  return [plain, html, ascii, plain.replaceAll('/', '\\/')];
}

/** ASCII white space, and the null byte that ends a text in C. */
const SPACE = [0x00, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x20];

function trim(bytes: Buffer): Buffer {
  let start = 0;
  let end = bytes.length;
  while (start < end && SPACE.includes(bytes[start] ?? -1)) start++;
  while (end > start && SPACE.includes(bytes[end - 1] ?? -1)) end--;
  return bytes.subarray(start, end);
}
