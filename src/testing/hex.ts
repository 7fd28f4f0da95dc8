/** Bytes from annotated hex: spaces and line ends are free, `#` starts a comment. */
export function hex(text: string): Buffer {
  const digits = text.replaceAll(/#.*$/gm, '').replaceAll(/\s+/g, '');
  if (!/^(?:[0-9a-f]{2})*$/.test(digits)) throw new Error(`Cannot read hex: ${digits}`);
  return Buffer.from(digits, 'hex');
}
