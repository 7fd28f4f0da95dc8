import type { CopyEntry } from './copy-entries.js';
import { digestEntries, EntryCollector } from './copy-entries.js';
import type { CopyTarget } from './copy-apply.js';
import { Copier } from './copy-apply.js';
import type { Match, SourceFiles } from './copy-source.js';
import type { ModeChange } from './file-mode.js';
import type { ArchiveProbe } from './add-archive.js';
import { addArchive, isArchive } from './add-archive.js';

/** Sources of one COPY or ADD that come from the same place, gathered. */
export interface CopyGroup {
  /** Number of sources, each a file or a directory. */
  readonly sources: number;
  /** Identifies what will be copied. */
  digest(changeMode: ModeChange | undefined): Promise<string>;
  /** Copies everything. */
  copy(target: CopyTarget): Promise<void>;
}

/** How sources are gathered. */
export interface GatherOptions {
  readonly signal: AbortSignal;
  /** ADD of local files: archives are unpacked. */
  readonly unpack: boolean;
}

/** Walks everything below the matches. */
export async function gather<Node>(
  files: SourceFiles<Node>,
  matches: readonly Match<Node>[],
  { signal, unpack }: GatherOptions,
): Promise<CopyGroup> {
  const collector = new EntryCollector(files, { signal });
  const sources: CopyEntry<Node>[] = [];
  for (const match of matches) sources.push(await collector.collect(match));
  return {
    sources: sources.length,
    digest: (changeMode) => digestEntries(files, sources, changeMode),
    copy: async (target) => {
      const copier = new Copier(files, target);
      for (const source of sources) {
        const probe: ArchiveProbe = { read: () => files.read(source.node), info: source.info };
        if (unpack && (await isArchive(probe))) await addArchive(probe, target);
        else await copier.copy(source);
      }
    },
  };
}
