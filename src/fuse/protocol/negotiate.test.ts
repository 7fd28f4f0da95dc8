import assert from 'node:assert/strict';
import test from 'node:test';
import {
  FUSE_ASYNC_DIO,
  FUSE_BIG_WRITES,
  FUSE_DONT_MASK,
  FUSE_INIT_EXT,
  FUSE_MAX_PAGES,
  FUSE_POSIX_ACL,
  FUSE_WRITEBACK_CACHE,
} from './abi.js';
import { negotiate } from './negotiate.js';

/** What Linux 6.18 sends. */
const KERNEL = { major: 7, minor: 45, maxReadahead: 131072, flags: 0x73fffffb, flags2: 0x5fd };

test('negotiate() echoes only what is offered', () => {
  const offered = { ...KERNEL, flags: FUSE_BIG_WRITES | FUSE_INIT_EXT, flags2: 0 };
  const answer = negotiate(offered, {});
  assert.equal(answer.flags, offered.flags);
  assert.equal(answer.flags2, 0);
});

test('negotiate() leaves flags2 alone without INIT_EXT', () => {
  assert.equal(negotiate({ ...KERNEL, flags: FUSE_BIG_WRITES }, {}).flags2, 0);
});

test('negotiate() never asks for truncation by OPEN, remote locks or passthrough', () => {
  const { flags, flags2 } = negotiate(KERNEL, {});
  const [POSIX_LOCKS, ATOMIC_O_TRUNC, FLOCK_LOCKS, AUTO_INVAL_DATA] = [
    1 << 1,
    1 << 3,
    1 << 10,
    1 << 12,
  ];
  const PASSTHROUGH = 1 << 5;
  assert.equal(flags & (POSIX_LOCKS | ATOMIC_O_TRUNC | FLOCK_LOCKS | AUTO_INVAL_DATA), 0);
  assert.equal(flags2 & PASSTHROUGH, 0);
  assert.equal(flags & FUSE_ASYNC_DIO, 0);
  assert.equal(flags & (FUSE_POSIX_ACL | FUSE_DONT_MASK), 0);
});

test('negotiate() obeys its options', () => {
  const options = { writebackCache: false, posixAcl: true, maxWriteBytes: 70000 };
  const { flags, maxWrite, maxPages } = negotiate(KERNEL, options);
  assert.equal(flags & FUSE_WRITEBACK_CACHE, 0);
  assert.notEqual(flags & FUSE_POSIX_ACL, 0);
  assert.notEqual(flags & FUSE_DONT_MASK, 0);
  assert.deepEqual([maxWrite, maxPages], [69632, 17]);
});

test('negotiate() keeps to 32 pages where the kernel has no MAX_PAGES', () => {
  const { maxWrite, maxPages } = negotiate(
    { ...KERNEL, flags: KERNEL.flags & ~FUSE_MAX_PAGES },
    {},
  );
  assert.deepEqual([maxWrite, maxPages], [131072, 32]);
});

test('negotiate() speaks the older version of the two', () => {
  assert.equal(negotiate({ ...KERNEL, minor: 31 }, {}).minor, 31);
  assert.equal(negotiate({ ...KERNEL, minor: 99 }, {}).minor, 45);
});
