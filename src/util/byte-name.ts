/**
 * A file name (or path) as the kernel has it: bytes, one latin1 character each. Never contains
 * NUL. Compare and sort with `<`: the order is that of the bytes. Not for display: see
 * {@link displayName}.
 */
export type ByteName = string & { readonly __brand: 'ByteName' };

/** Takes bytes as a name, loss-free. */
export function byteName(bytes: Uint8Array): ByteName {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1') as ByteName;
}

/** Takes ordinary (UTF-16) text as a name: its UTF-8 bytes. */
export function byteNameOf(text: string): ByteName {
  return Buffer.from(text, 'utf8').toString('latin1') as ByteName;
}

/** The bytes of a name, for a system call or an archive. */
export function nameBytes(name: ByteName): Buffer {
  return Buffer.from(name, 'latin1');
}

/** A name for people: decoded as UTF-8, U+FFFD where it is not. */
export function displayName(name: ByteName): string {
  return nameBytes(name).toString('utf8');
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\\]/gu;

/**
 * A name for a log: UTF-8, but backslashes, controls and what turns the writing direction as
 * `\\` and `\xe2\x80\xae`; a name that is not UTF-8 has all but ASCII so. Loss-free.
 */
export function escapeName(name: ByteName): string {
  let text: string;
  try {
    text = UTF8.decode(nameBytes(name));
  } catch {
    return name.replace(/[^\x20-\x7e]|\\/g, escapeBytes);
  }
  return text.replace(UNSAFE, (char) => escapeBytes(byteNameOf(char)));
}

function escapeBytes(bytes: string): string {
  if (bytes === '\\') return '\\\\';
  return Array.from(bytes, (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`).join(
    '',
  );
}
