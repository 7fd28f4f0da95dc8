/*
 * Prints a tree as `snapshotTree` describes it, a line each: for scripts in a mount namespace of
 * their own. Started as `node snapshot-process.js DIRECTORY`.
 */
import { snapshotTree } from './tree-snapshot.js';

const [, , dir = '.'] = process.argv;
for (const [name, line] of snapshotTree(dir, { nanoseconds: true })) {
  process.stdout.write(`${JSON.stringify(name)} ${line}\n`);
}
