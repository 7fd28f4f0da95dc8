import path from 'node:path';
import { findFileDigests, putFileDigests } from '../cache/records.js';
import type { RecordStore } from '../cache/records.js';
import { parseIgnore } from '../dockerfile/ignore.js';
import type { IgnoreMatcher } from '../dockerfile/ignore.js';
import { hasCode } from '../util/errors.js';
import { MapMemo } from './content-memo.js';
import { ContextFiles } from './context-files.js';
import { readTextFile } from '../util/text-file.js';

/** The build context of a session: opened when a COPY first needs it. */
export class ContextSource implements Disposable {
  readonly #directory: string;
  readonly #buildfilePath: string | undefined;
  readonly #records: RecordStore;
  #opened: Promise<{ files: ContextFiles; memo: MapMemo }> | undefined;
  #files: ContextFiles | undefined;

  constructor(
    directory: string,
    { buildfilePath, records }: { buildfilePath: string | undefined; records: RecordStore },
  ) {
    this.#directory = directory;
    this.#buildfilePath = buildfilePath;
    this.#records = records;
  }

  /** The files; borrowed until this is disposed of. */
  async open(): Promise<ContextFiles> {
    this.#opened ??= this.#open();
    return (await this.#opened).files;
  }

  /** Keeps the digests of the files that were looked at, for the next build. */
  async remember(): Promise<void> {
    if (this.#opened === undefined) return;
    const { memo } = await this.#opened;
    if (memo.grew) await putFileDigests(this.#records, this.#directory, memo.used);
  }

  [Symbol.dispose](): void {
    this.#files?.[Symbol.dispose]();
  }

  async #open(): Promise<{ files: ContextFiles; memo: MapMemo }> {
    const memo = new MapMemo(await findFileDigests(this.#records, this.#directory));
    const ignore = findIgnore(this.#directory, this.#buildfilePath);
    this.#files = ContextFiles.open(this.#directory, { ignore, memo });
    return { files: this.#files, memo };
  }
}

/** The ignore file of a context: of several, the first one counts. */
export function findIgnore(
  directory: string,
  buildfilePath: string | undefined,
): IgnoreMatcher | undefined {
  const candidates = [
    ...(buildfilePath === undefined ? [] : [`${buildfilePath}.dockerignore`]),
    path.join(directory, '.containerignore'),
    path.join(directory, '.dockerignore'),
  ];
  for (const file of candidates) {
    const text = tryRead(file);
    if (text !== undefined) return parseIgnore(text, file);
  }
  return undefined;
}

function tryRead(file: string): string | undefined {
  try {
    return readTextFile(file);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
