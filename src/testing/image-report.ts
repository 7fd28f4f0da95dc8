import { createReadStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ImageConfig } from '../oci/config.js';
import { decompress } from '../tar/decompress.js';
import { readEntries } from '../tar/reader.js';
import { displayName } from '../util/byte-name.js';
import { snapshotTree } from './tree-snapshot.js';

/** Where an image was written to by `-o type=oci,dest=LAYOUT -o type=local,dest=TREE`. */
export interface WrittenImage {
  readonly layout: string;
  readonly tree: string;
}

/** The parts of an image that a report describes. */
export interface ImageFacts {
  readonly config: ImageConfig;
  /** For each layer the paths of its entries, sorted; `b => a` is a hard link to a. */
  readonly layers: readonly (readonly string[])[];
  /** As {@link snapshotTree}, with the text of small files. */
  readonly files: ReadonlyMap<string, string>;
}

/** Files of text up to this size are shown. */
const TEXT_BYTES_MAX = 400;

/** Reads config and layers of a layout and the files of a tree. `exclude`: as snapshotTree. */
export async function readImage(
  { layout, tree }: WrittenImage,
  exclude: readonly string[],
): Promise<ImageFacts> {
  const readJson = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'));
  const blob = (digest: string): string => join(layout, 'blobs', digest.replace(':', '/'));
  const index = readJson(join(layout, 'index.json')) as { manifests: { digest: string }[] };
  const manifest = readJson(blob(index.manifests[0]?.digest ?? '')) as {
    config: { digest: string };
    layers: { digest: string }[];
  };
  const config = readJson(blob(manifest.config.digest)) as ImageConfig;
  const layers: string[][] = [];
  for (const { digest } of manifest.layers) layers.push(await listLayer(blob(digest)));
  const files = new Map<string, string>();
  for (const [name, line] of snapshotTree(tree, { exclude })) {
    files.set(name, line.startsWith('file ') ? withText(line, join(tree, name)) : line);
  }
  return { config, layers, files };
}

/**
 * What an image has over its base, as text: settings that differ, history, the entries of each
 * layer, files that were added or changed (`+`) or removed (`-`).
 */
export function reportImage(image: ImageFacts, base: ImageFacts): string {
  const [settings, baseSettings] = [settingsOf(image), settingsOf(base)];
  const lines = ['config'];
  for (const key of [...new Set([...settings.keys(), ...baseSettings.keys()])].sort()) {
    const value = settings.get(key);
    if (value !== baseSettings.get(key)) lines.push(`  ${key} ${value ?? 'none'}`);
  }
  lines.push('history');
  for (const entry of image.config.history?.slice(base.config.history?.length ?? 0) ?? []) {
    lines.push(`  ${entry.empty_layer === true ? ' ' : '*'} ${entry.created_by ?? ''}`);
  }
  for (const layer of image.layers.slice(base.layers.length)) {
    lines.push('layer', ...layer.map((entry) => `  ${entry}`));
  }
  lines.push('files');
  for (const name of [...new Set([...image.files.keys(), ...base.files.keys()])].sort()) {
    const line = image.files.get(name);
    if (line === base.files.get(name)) continue;
    lines.push(line === undefined ? `  - /${name}` : `  + /${name} ${line}`);
  }
  return `${lines.join('\n')}\n`;
}

function settingsOf({ config }: ImageFacts): Map<string, string> {
  const settings = Object.entries({ ...config.config, author: config.author });
  return new Map(
    settings.flatMap(([key, value]) => (value === undefined ? [] : [[key, JSON.stringify(value)]])),
  );
}

async function listLayer(file: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { entry } of readEntries(decompress(createReadStream(file)))) {
    const name = displayName(entry.path);
    names.push(entry.type === 'link' ? `${name} => ${displayName(entry.linkname)}` : name);
  }
  return names.sort();
}

/** The line with the text instead of size and digest, if it is short and can be printed. */
function withText(line: string, file: string): string {
  const bytes = readFileSync(file);
  const text = bytes.toString('utf8');
  if (bytes.length > TEXT_BYTES_MAX || !/^[\n\t\x20-\x7e]*$/.test(text)) return line;
  return line.replace(/ \d+ [0-9a-f]{16}(?= |$)/, () => ` ${JSON.stringify(text)}`);
}
