import { readFileSync } from 'node:fs';
import path from 'node:path';
import { LayerIndex } from '../layer/index-codec.js';
import type { LayerId } from '../layer/types.js';
import type { BuildWarning } from './events.js';

/** A range of ids that exist in a user namespace. */
interface IdRange {
  readonly start: number;
  readonly count: number;
}

/** The ids of the initial namespace, and of one that maps them all. */
const ALL_IDS = 0xffff_ffff;

/** The ids that a user namespace has, of the text of /proc/self/uid_map or gid_map. */
export function parseIdMap(text: string): IdRange[] {
  return text
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .map(([start = 0, , count = 0]) => ({ start, count }));
}

/** Owners and groups of the layers' files that the namespace does not have, sorted. */
export function findUnmappedIds(
  indexes: readonly Pick<LayerIndex, 'inodeCount' | 'uid' | 'gid'>[],
  maps: { readonly uids: readonly IdRange[]; readonly gids: readonly IdRange[] },
): number[] {
  const found = new Set<number>();
  const check = (ranges: readonly IdRange[], id: number): void => {
    if (!ranges.some(({ start, count }) => id >= start && id < start + count)) found.add(id);
  };
  for (const index of indexes) {
    for (let row = 0; row < index.inodeCount; row++) {
      check(maps.uids, index.uid(row));
      check(maps.gids, index.gid(row));
    }
  }
  return [...found].sort((a, b) => a - b);
}

/**
 * The warning for an image whose layers have owners that this user namespace lacks: a RUN can
 * neither use nor set them. Undefined where all are there, and always where all ids are mapped.
 */
export function unmappedIdsWarning(
  layersRoot: string,
  layers: readonly LayerId[],
): BuildWarning | undefined {
  const uids = parseIdMap(readFileSync('/proc/self/uid_map', 'latin1'));
  const gids = parseIdMap(readFileSync('/proc/self/gid_map', 'latin1'));
  if ([...uids, ...gids].every(({ count }) => count === ALL_IDS)) return undefined;
  const indexes = layers.map((id) =>
    LayerIndex.decode(readFileSync(path.join(layersRoot, id, 'index'))),
  );
  const ids = findUnmappedIds(indexes, { uids, gids });
  const last = ids.at(-1);
  if (last === undefined) return undefined;
  const shown = ids.slice(0, 5).join(', ') + (ids.length > 5 ? `, … (${ids.length} ids)` : '');
  const range = `100000-${100000 + last}`;
  return {
    message: `The base image has files of ids that this user has not got: ${shown}; they show as nobody's and cannot be changed`,
    hint: `usermod --add-subuids ${range} --add-subgids ${range} USER (as root)`,
  };
}
