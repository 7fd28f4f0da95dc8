import fs from 'node:fs';
import path from 'node:path';

import type { LayerIndex, Row } from '../layer/index-codec.js';
import { LayerReader, LayerSet } from '../layer/layer-reader.js';
import type { ContentRef, LayerId } from '../layer/types.js';
import { SEEK_DATA, SEEK_HOLE } from '../sys/constants.js';
import type { Fd } from '../sys/fd.js';
import { lseek, preadFull } from '../sys/file.js';
import { fstat } from '../sys/stat.js';
import { displayPath } from './display-path.js';
import type { Finding } from './layer-findings.js';
import { Findings } from './layer-findings.js';
import { PackFiles } from './pack-files.js';
import { PatternSearch } from './pattern-search.js';
import type { Hit, Source } from './pattern-search.js';
import type { Pattern } from './patterns.js';
import { searchNames } from './search-names.js';

/** A layer directory to search, published or not. */
export interface SearchLayerJob {
  readonly dir: string;
  readonly patterns: readonly Pattern[];
  /** Holds the directory of every other layer, by its id. */
  readonly layersRoot: string;
  /** Layers that need no look, though contents of this one lie there. */
  readonly clean: readonly LayerId[];
}

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;

/**
 * Looks for secrets in everything that a layer brings: contents that it stores itself or has from
 * layers that are not clean, names, targets of links, extended attributes. Blocks meanwhile.
 */
export function searchLayer(job: SearchLayerJob): Finding[] {
  if (job.patterns.length === 0) return [];
  // The id is for descriptors of layers in a set; this one stands alone.
  using reader = LayerReader.open(job.dir, '' as LayerId);
  using others = new LayerSet((id) => path.join(job.layersRoot, id));
  const search = new LayerSearch(job, reader, others);
  return search.run();
}

/** The bytes that a search has to read, about; more than `most` if there are more. */
export function searchedBytes({ dir, clean }: SearchLayerJob, most: number): number {
  const own = fs.statSync(path.join(dir, 'index')).size + fs.statSync(path.join(dir, 'pack')).size;
  if (own > most) return own;
  using reader = LayerReader.open(dir, '' as LayerId);
  let sum = own;
  for (const { ref, size } of contents(reader.index)) {
    if (ref.layer === undefined ? ref.kind === 'file' : !clean.includes(ref.layer)) sum += size;
  }
  return sum;
}

/** Files that have a content. */
function* contents(index: LayerIndex): Generator<{ row: Row; ref: ContentRef; size: number }> {
  for (let row = 0; row < index.inodeCount; row++) {
    if ((index.mode(row) & S_IFMT) !== S_IFREG) continue;
    const ref = index.content(row);
    if (ref !== undefined) yield { row, ref, size: index.size(row) };
  }
}

class LayerSearch {
  readonly #job: SearchLayerJob;
  readonly #reader: LayerReader;
  readonly #others: LayerSet;
  readonly #search: PatternSearch;
  readonly #findings = new Findings();
  /** Rows and secrets that are told: a file may have one a million times. */
  readonly #told = new Set<string>();

  constructor(job: SearchLayerJob, reader: LayerReader, others: LayerSet) {
    this.#job = job;
    this.#reader = reader;
    this.#others = others;
    this.#search = new PatternSearch(job.patterns);
  }

  run(): Finding[] {
    const { index } = this.#reader;
    this.#searchPack(index);
    for (const { row, ref, size } of contents(index)) this.#searchContent(row, ref, size);
    searchNames(this.#job, { index, search: this.#search, findings: this.#findings });
    return this.#findings.list();
  }

  /** All small files in one go, which one it was only if it matters. */
  #searchPack(index: LayerIndex): void {
    const { fd } = this.#reader.locate({ kind: 'pack', layer: undefined, offset: 0 });
    let files: PackFiles | undefined;
    this.#search.search(denseSource(fd, 0, fstat(fd).size), (hit) => {
      files ??= new PackFiles(index);
      for (const row of files.containing(hit.start, hit.end)) this.#add(hit, row);
    });
  }

  #searchContent(row: Row, ref: ContentRef, size: number): void {
    const { layer } = ref;
    if (layer === undefined ? ref.kind === 'pack' : this.#job.clean.includes(layer)) return;
    const home = layer === undefined ? this.#reader : this.#others.open(layer);
    const { fd, start } = home.locate(ref);
    const source = ref.kind === 'pack' ? denseSource(fd, start, size) : sparseSource(fd, size);
    this.#search.search(source, (hit) => this.#add(hit, row));
  }

  #add({ pattern: { id, form } }: Hit, row: Row): void {
    const key = `${row} ${id}`;
    if (this.#told.has(key)) return;
    this.#told.add(key);
    for (const names of this.#reader.index.pathsOf(new Set([row]))) {
      const file = displayPath(names, this.#job.patterns);
      this.#findings.add({ id, form, path: file, place: { kind: 'content' } });
    }
  }
}

function denseSource(fd: Fd, start: number, size: number): Source {
  return {
    size,
    read: (into, position) => {
      const length = Math.min(into.length, size - position);
      return length <= 0 ? 0 : preadFull(fd, into.subarray(0, length), start + position);
    },
    nextData: (position) => (position < size ? position : undefined),
    nextHole: () => size,
  };
}

function sparseSource(fd: Fd, size: number): Source {
  return {
    ...denseSource(fd, 0, size),
    nextData: (position) => lseek(fd, position, SEEK_DATA),
    nextHole: (position) => lseek(fd, position, SEEK_HOLE) ?? size,
  };
}
