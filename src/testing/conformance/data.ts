import assert from 'node:assert/strict';
import fs from 'node:fs';

import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  O_RDWR,
  SEEK_DATA,
  SEEK_HOLE,
} from '../../sys/constants.js';
import type { Fd } from '../../sys/fd.js';
import {
  copyFileRange,
  fallocate,
  ftruncate,
  lseek,
  openat,
  pread,
  pwrite,
} from '../../sys/file.js';
import { fstat } from '../../sys/stat.js';
import { fails, modeOf, python, text, write, type Checks } from './scene.js';

const MIB = 1024 * 1024;

function withFile(bytes: Buffer | string, use: (fd: Fd) => void): void {
  write('f', bytes);
  using fd = openat(undefined, 'f', O_RDWR);
  use(fd);
}

function bytesOf(fd: Fd): Buffer {
  const bytes = Buffer.alloc(fstat(fd).size + 1);
  return bytes.subarray(0, pread(fd, bytes, 0));
}

/** Contents: sizes, holes, copies, mappings. */
export const DATA: Checks = {
  'a write behind the end leaves zeros': () =>
    withFile('abc', (fd) => {
      pwrite(fd, Buffer.from('x'), 10_000);
      assert.deepEqual(
        bytesOf(fd),
        Buffer.concat([Buffer.from('abc'), Buffer.alloc(9997), Buffer.from('x')]),
      );
    }),
  'a shortened file that grows again shows zeros': () =>
    withFile('x'.repeat(10_000), () => {
      fs.truncateSync('f', 5);
      fs.truncateSync('f', 10_000);
      assert.equal(text('f'), 'xxxxx' + '\0'.repeat(9995));
    }),
  'truncate of what is no file has its error': () => {
    fs.mkdirSync('d');
    fails('EISDIR', () => fs.truncateSync('d', 0));
    fails('ENOENT', () => fs.truncateSync('none', 0));
    withFile('', (fd) => fails('EINVAL', () => ftruncate(fd, -1)));
  },
  'a file of a terabyte is a hole': () =>
    withFile('', (fd) => {
      fs.truncateSync('f', 2 ** 40);
      pwrite(fd, Buffer.from('end'), 2 ** 40 - 3);
      const { size, blocks } = fs.statSync('f');
      assert.equal(size, 2 ** 40);
      assert(blocks < 10_000, `blocks: ${blocks}`);
      const tail = Buffer.alloc(10);
      assert.equal(pread(fd, tail, 2 ** 40 - 3), 3);
    }),
  'data and holes are found': () =>
    withFile('', (fd) => {
      fs.truncateSync('f', 4 * MIB);
      pwrite(fd, Buffer.alloc(MIB, 1), MIB);
      assert.equal(lseek(fd, 0, SEEK_DATA), MIB);
      assert.equal(lseek(fd, MIB, SEEK_HOLE), 2 * MIB);
      assert.equal(lseek(fd, 0, SEEK_HOLE), 0);
      assert.equal(lseek(fd, 2 * MIB, SEEK_DATA), undefined);
      assert.equal(lseek(fd, 4 * MIB, SEEK_HOLE), undefined);
    }),
  'all of a full file is data': () =>
    withFile('x'.repeat(5000), (fd) => {
      assert.deepEqual([lseek(fd, 7, SEEK_DATA), lseek(fd, 7, SEEK_HOLE)], [7, 5000]);
    }),
  'fallocate grows a file, or keeps its size': () =>
    withFile('abc', (fd) => {
      fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 100_000);
      assert.equal(fstat(fd).size, 3);
      fallocate(fd, 0, 0, 100_000);
      assert.deepEqual(bytesOf(fd), Buffer.concat([Buffer.from('abc'), Buffer.alloc(99_997)]));
    }),
  'fallocate makes a hole': () =>
    withFile(Buffer.alloc(MIB, 'x'), (fd) => {
      fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 2 * MIB);
      const bytes = bytesOf(fd);
      assert.equal(bytes.length, MIB);
      assert(bytes.subarray(0, 4096).every((byte) => byte === 120));
      assert(bytes.subarray(4096).every((byte) => byte === 0));
    }),
  'fallocate makes zeros': () =>
    withFile(Buffer.alloc(10_000, 'x'), (fd) => {
      fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 9990, 100);
      fallocate(fd, FALLOC_FL_ZERO_RANGE, 100, 100);
      assert.equal(fstat(fd).size, 10_000);
      assert.equal(bytesOf(fd).filter((byte) => byte === 0).length, 110);
      fallocate(fd, FALLOC_FL_ZERO_RANGE, 9990, 100);
      assert.equal(fstat(fd).size, 10_090);
    }),
  'fallocate refuses what makes no sense': () =>
    withFile('', (fd) => {
      fails('EINVAL', () => fallocate(fd, 0, 0, 0));
      fails('EINVAL', () => fallocate(fd, 0, -1, 10));
      fails(['EOPNOTSUPP', 'ENOTSUP'], () => fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10));
    }),
  'copy_file_range copies, into the same file too': () =>
    withFile('0123456789', (from) => {
      write('g', 'xx');
      using to = openat(undefined, 'g', O_RDWR);
      const copied = copyFileRange({ from, fromOffset: 4, to, toOffset: 1, length: 100 });
      assert.deepEqual([copied, bytesOf(to).toString()], [6, 'x456789']);
      assert.equal(copyFileRange({ from, fromOffset: 10, to, toOffset: 0, length: 5 }), 0);
      copyFileRange({ from, fromOffset: 0, to: from, toOffset: 10, length: 10 });
      assert.equal(bytesOf(from).toString(), '01234567890123456789');
      const overlap = { from, fromOffset: 0, to: from, toOffset: 5, length: 10 };
      fails('EINVAL', () => copyFileRange(overlap));
    }),
  'a megabyte is written in pieces and read back': () => {
    const bytes = Buffer.alloc(MIB + 77, 'pattern ');
    const fd = fs.openSync('f', 'wx');
    for (let at = 0; at < bytes.length; at += 1000) {
      fs.writeSync(fd, bytes, at, Math.min(1000, bytes.length - at));
    }
    fs.closeSync(fd);
    assert(fs.readFileSync('f').equals(bytes));
  },
  'a shared mapping and a descriptor see each other': () =>
    python(`
import mmap, os
open('f', 'wb').write(b'a' * 10000); f = os.open('f', os.O_RDWR); m = mmap.mmap(f, 10000)
m[5000:5003] = b'map'; assert os.pread(f, 3, 5000) == b'map'
os.pwrite(f, b'fd', 100); assert m[100:102] == b'fd'
m.flush(); os.close(f); m[0:1] = b'Z'; m.close(); d = open('f', 'rb').read()
assert d[0:1] == b'Z' and d[5000:5003] == b'map' and len(d) == 10000`),
  'a private mapping changes nothing': () =>
    python(`
import mmap, os
open('f', 'wb').write(b'a' * 10000); f = os.open('f', os.O_RDWR)
m = mmap.mmap(f, 10000, flags=mmap.MAP_PRIVATE); m[0:4] = b'mine'
assert os.pread(f, 4, 0) == b'aaaa'; os.pwrite(f, b'new', 5000); assert m[5000:5003] == b'new'
os.unlink('f'); os.close(f); assert m[0:4] == b'mine' and m[9999:] == b'a'`),
  'a mapping of a file that was opened for reading': () =>
    python(`
import errno, mmap, os
open('f', 'wb').write(b'abc'); f = os.open('f', os.O_RDONLY)
assert mmap.mmap(f, 3, prot=mmap.PROT_READ)[:] == b'abc'
try: mmap.mmap(f, 3); assert False
except OSError as e: assert e.errno == errno.EACCES, e`),
  'fsync, fdatasync and syncfs work': () =>
    withFile('abc', (fd) => {
      fs.fsyncSync(fd.raw);
      fs.fdatasyncSync(fd.raw);
      python(`import os; f = os.open('.', os.O_RDONLY); os.fsync(f); os.sync`);
    }),
  'two processes append to one file': () => {
    python(`
import os
if os.fork() == 0:
  f = os.open('f', os.O_CREAT | os.O_WRONLY | os.O_APPEND)
  for i in range(500): os.write(f, b'child\\n')
  os._exit(0)
f = os.open('f', os.O_CREAT | os.O_WRONLY | os.O_APPEND)
for i in range(500): os.write(f, b'paren\\n')
os.wait(); lines = open('f').read().split()
assert sorted(lines) == ['child'] * 500 + ['paren'] * 500`);
  },
  'a script and a program run': () => {
    write('script', '#!/bin/sh\necho "$1" > out\n');
    fs.chmodSync('script', 0o755);
    fs.copyFileSync('/bin/cp', 'copy');
    fs.chmodSync('copy', 0o755);
    python(
      `import subprocess; subprocess.check_call(['./script', 'said']); subprocess.check_call(['./copy', 'out', 'two'])`,
    );
    assert.deepEqual([text('two'), modeOf('script')], ['said\n', 0o755]);
  },
};
