/**
 * The value of `-o`, as BuildKit writes it: one record of CSV (RFC 4180) whose fields are
 * `key=value`, or a directory, or `-`:
 *
 *   type=oci,dest=out/image        type=docker,"dest=a,b.tar",name=app:1       rootfs/       -
 */
import { parseReference } from '../oci/reference.js';
import { UserError } from '../util/errors.js';

/** How layers that were made here are compressed in an output. */
export type OutputCompression = 'gzip' | 'uncompressed';

/** An output that has the image: manifest, config, layers. */
export interface ImageOutputSpec {
  readonly type: 'oci' | 'oci-archive' | 'docker';
  /** A directory (`oci`) or file; `-` is standard output. */
  readonly dest: string;
  /** What the image is called in the output; absent: its tags. */
  readonly name?: string;
  readonly compression: OutputCompression;
  /** Of gzip, 0 to 9. */
  readonly compressionLevel?: number;
}

/** An output that has the root file system only. */
export interface FilesOutputSpec {
  readonly type: 'local' | 'tar';
  readonly dest: string;
}

/** What `-o` asks for. */
export type OutputSpec = ImageOutputSpec | FilesOutputSpec;

const KEYS: Readonly<Record<OutputSpec['type'], readonly string[]>> = {
  oci: ['dest', 'name', 'compression', 'compression-level'],
  'oci-archive': ['dest', 'name', 'compression', 'compression-level'],
  docker: ['dest', 'name', 'compression', 'compression-level'],
  local: ['dest'],
  tar: ['dest'],
};

const STANDARD_OUTPUT = '-';

function refuse(text: string, found: string, hint?: string): UserError {
  return new UserError('TSB_USAGE', `Cannot parse output ${JSON.stringify(text)}: ${found}`, {
    ...(hint !== undefined && { hint }),
  });
}

/** The fields of one record. */
function parseFields(text: string): string[] {
  const fields: string[] = [];
  const field = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/gy;
  while (field.lastIndex <= text.length) {
    const match = field.exec(text);
    if (match === null) throw refuse(text, 'a quotation mark has no partner');
    const [, quoted, plain = '', end] = match;
    fields.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end === '') break;
  }
  return fields;
}

function parsePairs(text: string): Map<string, string> {
  const pairs = new Map<string, string>();
  for (const field of parseFields(text)) {
    const equals = field.indexOf('=');
    if (equals <= 0) throw refuse(text, `found ${JSON.stringify(field)}, want key=value`);
    const key = field.slice(0, equals).toLowerCase();
    if (pairs.has(key)) throw refuse(text, `${key} is there twice`);
    pairs.set(key, field.slice(equals + 1));
  }
  return pairs;
}

function parseType(text: string, pairs: ReadonlyMap<string, string>): OutputSpec['type'] {
  const type = pairs.get('type');
  if (type !== undefined && Object.hasOwn(KEYS, type)) return type as OutputSpec['type'];
  const want = `want one of ${Object.keys(KEYS).join(', ')}`;
  if (type === 'image' || type === 'registry') {
    throw refuse(text, `type ${type}, ${want}`, 'name the image with -t, push it with --push');
  }
  throw refuse(text, type === undefined ? `no type, ${want}` : `type ${type}, ${want}`);
}

function parseCompression(
  text: string,
  pairs: ReadonlyMap<string, string>,
): Pick<ImageOutputSpec, 'compression' | 'compressionLevel'> {
  const compression = pairs.get('compression') ?? 'gzip';
  if (compression !== 'gzip' && compression !== 'uncompressed') {
    throw refuse(text, `compression ${compression}, want gzip or uncompressed`);
  }
  const level = pairs.get('compression-level');
  if (level === undefined) return { compression };
  if (!/^[0-9]$/.test(level)) throw refuse(text, `compression-level ${level}, want 0 to 9`);
  return { compression, compressionLevel: Number(level) };
}

/** Parses the value of `-o`; UserError TSB_USAGE. */
export function parseOutputSpec(text: string): OutputSpec {
  if (text === STANDARD_OUTPUT) return { type: 'tar', dest: STANDARD_OUTPUT };
  if (!text.includes('=')) {
    if (text === '') throw refuse(text, 'it is empty', 'for example type=oci,dest=DIR');
    return { type: 'local', dest: text };
  }
  const pairs = parsePairs(text);
  const type = parseType(text, pairs);
  for (const key of pairs.keys()) {
    if (key === 'type' || KEYS[type].includes(key)) continue;
    throw refuse(text, `${key} is not known to type ${type}`, `it has ${KEYS[type].join(', ')}`);
  }
  const dest = pairs.get('dest') ?? '';
  if (dest === '') throw refuse(text, 'no dest', `type=${type},dest=PATH`);
  const isDirectory = type === 'oci' || type === 'local';
  if (isDirectory && dest === STANDARD_OUTPUT) {
    throw refuse(text, `type ${type} is a directory`, 'for an archive: type=oci-archive,dest=-');
  }
  if (type === 'local' || type === 'tar') return { type, dest };
  const name = pairs.get('name');
  if (name !== undefined) parseReference(name);
  return { type, dest, ...(name !== undefined && { name }), ...parseCompression(text, pairs) };
}
