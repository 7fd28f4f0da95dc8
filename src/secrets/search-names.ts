import fs from 'node:fs';
import path from 'node:path';

import type { LayerIndex, Row } from '../layer/index-codec.js';
import { WHITEOUT } from '../layer/types.js';
import type { ByteName } from '../util/byte-name.js';
import { displayPath } from './display-path.js';
import type { FindingPlace, Findings } from './layer-findings.js';
import { PatternSearch, sourceOf } from './pattern-search.js';
import type { Pattern } from './patterns.js';
import type { SearchLayerJob } from './search-layer.js';

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFLNK = 0o120000;
/** A part of a path that is shorter is in every layer. */
const PROBE_BYTES_MIN = 4;
const PROBE_BYTES_MAX = 32;

/** What is searched, and with what. */
export interface NameSearch {
  readonly index: LayerIndex;
  readonly search: PatternSearch;
  readonly findings: Findings;
}

/** Looks for secrets in paths, removed ones too, in targets of links and extended attributes. */
export function searchNames(job: SearchLayerJob, names: NameSearch): void {
  if (!mayHave(fs.readFileSync(path.join(job.dir, 'index')), job.patterns)) return;
  new NameWalk(job.patterns, names).walk();
}

/** Whether the walk is worth it: the bytes of an index have each name and each value in one piece. */
function mayHave(index: Buffer, patterns: readonly Pattern[]): boolean {
  return patterns.some(({ bytes }) => {
    // A secret with slashes can be made of several names.
    const parts = bytes.toString('latin1').split('/');
    const longest = parts.reduce((most, part) => (part.length > most.length ? part : most), '');
    if (longest.length < PROBE_BYTES_MIN) return true;
    return index.includes(Buffer.from(longest.slice(0, PROBE_BYTES_MAX), 'latin1'));
  });
}

class NameWalk {
  readonly #patterns: readonly Pattern[];
  readonly #index: LayerIndex;
  readonly #search: PatternSearch;
  readonly #findings: Findings;

  constructor(patterns: readonly Pattern[], { index, search, findings }: NameSearch) {
    this.#patterns = patterns;
    this.#index = index;
    this.#search = search;
    this.#findings = findings;
  }

  walk(): void {
    this.#searchNode(0, []);
    this.#walkDir(0, []);
  }

  /** Layers are no deeper than LAYER_DEPTH_MAX. */
  #walkDir(dir: Row, names: readonly ByteName[]): void {
    const above = names.join('/').length;
    for (const [name, row] of this.#index.children(dir)) {
      const below = [...names, name];
      const whole = Buffer.from(below.join('/'), 'latin1');
      this.#search.search(sourceOf(whole), ({ pattern, end }) => {
        if (end > above) this.#add(pattern, below, { kind: 'name' });
      });
      if (row === WHITEOUT) continue;
      this.#searchNode(row, below);
      if ((this.#index.mode(row) & S_IFMT) === S_IFDIR) this.#walkDir(row, below);
    }
  }

  #searchNode(row: Row, names: readonly ByteName[]): void {
    const report = (place: FindingPlace, bytes: Buffer): void =>
      this.#search.search(sourceOf(bytes), ({ pattern }) => this.#add(pattern, names, place));
    for (const [name, value] of this.#index.xattrs(row) ?? []) {
      const place: FindingPlace = {
        kind: 'xattr',
        name: displayPath([name], this.#patterns).slice(1),
      };
      report(place, value);
      report(place, Buffer.from(name, 'latin1'));
    }
    if ((this.#index.mode(row) & S_IFMT) !== S_IFLNK) return;
    report({ kind: 'target' }, Buffer.from(this.#index.target(row), 'latin1'));
  }

  #add({ id, form }: Pattern, names: readonly ByteName[], place: FindingPlace): void {
    this.#findings.add({ id, form, path: displayPath(names, this.#patterns), place });
  }
}
