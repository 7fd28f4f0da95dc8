import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync, type BigIntStats } from 'node:fs';
import { byteName, displayName } from '../util/byte-name.js';
import { getxattr, listxattr } from '../sys/xattr.js';

/** What two trees are compared by; each can be left out where a tool cannot keep it. */
export interface SnapshotOptions {
  /** Owners (default true): off for a tree unpacked by an ordinary user. */
  readonly owners?: boolean;
  /** Times of modification (default true), in whole seconds unless `nanoseconds`. */
  readonly times?: boolean;
  readonly nanoseconds?: boolean;
  readonly xattrs?: boolean;
  /** Paths below the root (no leading slash) to leave out, with all below them. */
  readonly exclude?: readonly string[];
}

/**
 * Describes every file below `root` in one line each, path → description: type, mode, owner,
 * size, time, xattrs, digest of the content, link target, and the first path of its hard-link
 * group. Two trees are equal when their snapshots are.
 */
export function snapshotTree(root: string, options: SnapshotOptions = {}): Map<string, string> {
  const lines = new Map<string, string>();
  const firstNames = new Map<string, string>();
  const visit = (path: Buffer, name: string): void => {
    if (options.exclude?.includes(name)) return;
    const stat = lstatSync(path, { bigint: true });
    lines.set(name, describe(path, name, stat, firstNames, options));
    if (!stat.isDirectory()) return;
    for (const child of readdirSync(path, { encoding: 'buffer' }).sort((a, b) => a.compare(b))) {
      const text = displayName(byteName(child));
      visit(Buffer.concat([path, Buffer.from('/'), child]), name === '' ? text : `${name}/${text}`);
    }
  };
  visit(Buffer.from(root), '');
  return lines;
}

/** The lines in which two snapshots differ, `-` of the first and `+` of the second. */
export function diffSnapshots(a: Map<string, string>, b: Map<string, string>): string[] {
  const differences: string[] = [];
  for (const name of [...new Set([...a.keys(), ...b.keys()])].sort()) {
    const [before, after] = [a.get(name), b.get(name)];
    if (before === after) continue;
    if (before !== undefined) differences.push(`- ${name}: ${before}`);
    if (after !== undefined) differences.push(`+ ${name}: ${after}`);
  }
  return differences;
}

function describe(
  path: Buffer,
  name: string,
  stat: BigIntStats,
  firstNames: Map<string, string>,
  options: SnapshotOptions,
): string {
  const fields = [kindOf(stat), (stat.mode & 0o7777n).toString(8)];
  if (options.owners ?? true) fields.push(`${stat.uid}:${stat.gid}`);
  if (options.times ?? true) {
    fields.push(String(options.nanoseconds ? stat.mtimeNs : stat.mtimeNs / 1_000_000_000n));
  }
  if (stat.isCharacterDevice() || stat.isBlockDevice()) fields.push(`rdev=${stat.rdev}`);
  if (stat.isSymbolicLink()) fields.push(`-> ${readlinkSync(path)}`);
  if (stat.isFile()) {
    const digest = createHash('sha256').update(readFileSync(path)).digest('hex');
    fields.push(String(stat.size), digest.slice(0, 16));
  }
  if (!stat.isDirectory() && stat.nlink > 1n) {
    const key = `${stat.dev}:${stat.ino}`;
    if (!firstNames.has(key)) firstNames.set(key, name);
    fields.push(`link(${firstNames.get(key) ?? ''})`);
  }
  if (options.xattrs ?? true) {
    for (const attribute of [...listxattr(path)].sort()) {
      fields.push(`${attribute}=${getxattr(path, attribute)?.toString('hex') ?? ''}`);
    }
  }
  return fields.join(' ');
}

function kindOf(stat: BigIntStats): string {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'dir';
  if (stat.isSymbolicLink()) return 'symlink';
  if (stat.isCharacterDevice()) return 'chr';
  if (stat.isBlockDevice()) return 'blk';
  return stat.isFIFO() ? 'fifo' : 'sock';
}
