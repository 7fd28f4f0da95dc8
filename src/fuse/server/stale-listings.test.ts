import assert from 'node:assert/strict';
import test from 'node:test';

import { IN_HEADER, OPCODE } from '../protocol/abi.js';
import { StaleListings } from './stale-listings.js';

const DIR = 7;
const OTHER = 8;

/** What `see` says of READDIR from the start after these. */
function dropped(
  ...seen: (readonly [opcode: keyof typeof OPCODE, nodeid: number, value?: number])[]
): boolean {
  const listings = new StaleListings();
  const see = (opcode: keyof typeof OPCODE, nodeid: number, value = 0): boolean => {
    const request = Buffer.alloc(IN_HEADER.bytes + 40);
    const isRead = opcode.startsWith('FUSE_READDIR');
    request.writeBigUInt64LE(BigInt(value), IN_HEADER.bytes + (isRead ? 8 : 0));
    return listings.see({ opcode: OPCODE[opcode], nodeid, request }, request.length);
  };
  for (const each of seen) see(...each);
  return see('FUSE_READDIRPLUS', DIR);
}

const LIST = ['FUSE_READDIR', DIR] as const;
const CASES: readonly [title: string, seen: Parameters<typeof dropped>, want: boolean][] = [
  ['never listed', [['FUSE_CREATE', DIR]], false],
  ['as it was listed', [LIST, ['FUSE_LOOKUP', DIR], ['FUSE_CREATE', OTHER]], false],
  ['listed anew since', [LIST, ['FUSE_MKDIR', DIR], LIST], false],
  ['listed on since', [LIST, ['FUSE_MKDIR', DIR], ['FUSE_READDIR', DIR, 5]], true],
  ['renamed into', [LIST, ['FUSE_RENAME2', OTHER, DIR]], true],
  ['another was renamed into', [LIST, ['FUSE_RENAME', OTHER, OTHER]], false],
  ...(['CREATE', 'MKNOD', 'MKDIR', 'SYMLINK', 'LINK', 'UNLINK', 'RMDIR', 'RENAME'] as const).map(
    (name) => [name, [LIST, [`FUSE_${name}`, DIR]], true] as const,
  ),
] as [string, Parameters<typeof dropped>, boolean][];

for (const [title, seen, want] of CASES) {
  test(`StaleListings: a directory, ${title}`, () => assert.equal(dropped(...seen), want));
}

test('StaleListings forgets', () => {
  const listings = new StaleListings();
  const request = Buffer.alloc(IN_HEADER.bytes + 40);
  const see = (opcode: number): boolean =>
    listings.see({ opcode, nodeid: DIR, request }, request.length);
  see(OPCODE.FUSE_READDIR);
  see(OPCODE.FUSE_UNLINK);
  listings.forget(DIR);
  assert.equal(see(OPCODE.FUSE_READDIR), false);
});
