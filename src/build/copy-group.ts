import type { CopyEntry, EntryFilter } from './copy-entries.js';
import { digestEntries, EntryCollector } from './copy-entries.js';
import type { CopyTarget } from './copy-apply.js';
import { Copier } from './copy-apply.js';
import type { Match, SourceFiles } from './copy-source.js';
import type { ModeChange } from './file-mode.js';
import type { ArchiveProbe } from './add-archive.js';
import { addArchive, archiveError, isArchive } from './add-archive.js';
import { displayName } from '../util/byte-name.js';

/** Sources of one COPY or ADD that come from the same place, gathered. */
export interface CopyGroup {
  /** Number of sources, each a file or a directory. */
  readonly sources: number;
  /** Whether there is something to copy: with `--parents` a source may have nothing that matches. */
  readonly hasEntries: boolean;
  /** Identifies what will be copied. */
  digest(changeMode: ModeChange | undefined): Promise<string>;
  /** Copies everything. */
  copy(target: CopyTarget): Promise<CopyOutcome>;
}

/** What a copy was about. */
export interface CopyOutcome {
  /** Archives that were unpacked. */
  readonly archives: number;
}

/** How sources are gathered. */
export interface GatherOptions {
  readonly signal: AbortSignal;
  /** ADD of local files: archives are unpacked. */
  readonly unpack: boolean;
  readonly filter: EntryFilter;
}

/** Walks everything below the matches. */
export async function gather<Node>(
  files: SourceFiles<Node>,
  matches: readonly Match<Node>[],
  { signal, unpack, filter }: GatherOptions,
): Promise<CopyGroup> {
  const collector = new EntryCollector(files, { signal, filter });
  const sources: CopyEntry<Node>[] = [];
  for (const match of matches) {
    const source = await collector.collect(match);
    if (source !== undefined) sources.push(source);
  }
  return {
    sources: sources.length,
    hasEntries: sources.some(({ info, entries }) => info.kind !== 'dir' || entries.length > 0),
    digest: (changeMode) => digestEntries(files, sources, { changeMode, signal }),
    copy: async (target) => {
      const copier = new Copier(files, target);
      let archives = 0;
      for (const source of sources) {
        const probe: ArchiveProbe = { read: () => files.read(source.node), info: source.info };
        if (unpack && (await isArchive(probe))) {
          try {
            await addArchive(probe, target);
          } catch (error) {
            throw archiveError(error, {
              what: `"${displayName(source.name)}"`,
              code: 'TSB_COPY',
              hint: 'With --unpack=false the file is copied as it is',
            });
          }
          archives += 1;
        } else await copier.copy(source);
      }
      return { archives };
    },
  };
}
