import path from 'node:path';
import { findFileDigests, putFileDigests } from '../cache/records.js';
import type { RecordStore } from '../cache/records.js';
import { parseIgnore } from '../dockerfile/ignore.js';
import type { IgnoreMatcher } from '../dockerfile/ignore.js';
import { hasCode, messageOf, UserError } from '../util/errors.js';
import { MapMemo } from './content-memo.js';
import { ContextFiles } from './context-files.js';
import type { SourceFiles } from './copy-source.js';
import { readTextFile } from '../util/text-file.js';

/** The files of a build context: opened when a step first needs them. */
export interface ContextSource extends Disposable {
  /** What leaves files of it out. */
  readonly ignore: IgnoreMatcher | undefined;
  /** The files; borrowed until this is disposed of. */
  open(): Promise<SourceFiles<unknown>>;
  /** Keeps what was found out about the files for the next build. */
  remember(): Promise<void>;
}

/** Names of ignore files, the one that counts first. */
export const IGNORE_NAMES: readonly string[] = ['.containerignore', '.dockerignore'];

/** How a directory is a context. */
export interface DirectoryContextOptions {
  readonly records: RecordStore;
  readonly ignore: IgnoreMatcher | undefined;
  /** For messages; `the build context` if absent. */
  readonly what?: string;
}

/** A directory of this machine, read in place. */
export class DirectoryContext implements ContextSource {
  readonly ignore: IgnoreMatcher | undefined;
  readonly #directory: string;
  readonly #records: RecordStore;
  readonly #what: string | undefined;
  #opened: Promise<{ files: ContextFiles; memo: MapMemo }> | undefined;
  #files: ContextFiles | undefined;

  constructor(directory: string, { records, ignore, what }: DirectoryContextOptions) {
    this.#directory = directory;
    this.#records = records;
    this.#what = what;
    this.ignore = ignore;
  }

  async open(): Promise<ContextFiles> {
    this.#opened ??= this.#open();
    return (await this.#opened).files;
  }

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
    const what = this.#what === undefined ? {} : { what: this.#what };
    this.#files = ContextFiles.open(this.#directory, { ignore: this.ignore, memo, ...what });
    return { files: this.#files, memo };
  }
}

/** The ignore file of a directory: of several, the first one counts. */
export function findIgnore(
  directory: string,
  buildfilePath: string | undefined,
): IgnoreMatcher | undefined {
  const candidates = [
    ...(buildfilePath === undefined ? [] : [`${buildfilePath}.dockerignore`]),
    ...IGNORE_NAMES.map((name) => path.join(directory, name)),
  ];
  for (const file of candidates) {
    const text = tryRead(file);
    if (text !== undefined) return parseIgnore(text, file);
  }
  return undefined;
}

/** The ignore file that the user names; TSB_CONTEXT if it cannot be read. */
export function readIgnore(file: string): IgnoreMatcher {
  try {
    return parseIgnore(readTextFile(file), file);
  } catch (error) {
    if (error instanceof UserError || !hasCode(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'EISDIR')) {
      throw error;
    }
    throw new UserError('TSB_CONTEXT', `Cannot read ignore file "${file}": ${messageOf(error)}`, {
      hint: 'Check what --ignorefile names',
      cause: error,
    });
  }
}

function tryRead(file: string): string | undefined {
  try {
    return readTextFile(file);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
