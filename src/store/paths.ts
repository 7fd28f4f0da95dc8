import { homedir } from 'node:os';
import path from 'node:path';

/** The directories and files of a store. */
export interface StorePaths {
  readonly root: string;
  readonly version: string;
  readonly blobs: string;
  readonly layers: string;
  readonly diffids: string;
  readonly images: string;
  readonly cache: string;
  readonly cacheMounts: string;
  readonly work: string;
  readonly locks: string;
}

/** The layout of the store at `root`. */
export function storePaths(root: string): StorePaths {
  const at = (name: string): string => path.join(root, name);
  return {
    root,
    version: at('version'),
    blobs: at('blobs/sha256'),
    layers: at('layers'),
    diffids: at('diffids'),
    images: at('images'),
    cache: at('cache'),
    cacheMounts: at('cache-mounts'),
    work: at('work'),
    locks: at('locks'),
  };
}

/** Where the store is: `TSBUILD_ROOT`, else in the user's data directory. Absolute. */
export function storeRoot(env: Readonly<Record<string, string | undefined>>): string {
  const given = env['TSBUILD_ROOT'];
  if (given !== undefined && given !== '') return path.resolve(given);
  const data = env['XDG_DATA_HOME'];
  // The specification: a relative path there is to be ignored.
  if (data !== undefined && path.isAbsolute(data)) return path.join(data, 'tsbuild');
  const home = env['HOME'];
  return path.join(home !== undefined && home !== '' ? home : homedir(), '.local/share/tsbuild');
}
