import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';

import { LayerFixture, Shell } from '../testing/overlay-fixture.js';
import { runMounted } from '../testing/mounted.js';
import { requires } from '../testing/requires.js';
import { FsError } from '../sys/errno.js';
import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
} from '../sys/constants.js';
import { OverlayFileSystem } from './overlay-filesystem.js';

const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const K = 1024;

function open(t: TestContext): Shell {
  const fixture = new LayerFixture(t);
  const base = fixture.step([], (sh) => {
    sh.write('/small', Buffer.alloc(40 * K, 1));
    sh.write('/large', Buffer.alloc(400 * K, 1));
    sh.write('/sparse', '');
    truncate(sh, '/sparse', 1000 * K);
    sh.pwrite('/sparse', 'x', 500 * K);
  });
  const overlay = fixture.open([base], fixture.newId());
  t.after(() => overlay[Symbol.dispose]());
  return new Shell(new OverlayFileSystem(overlay));
}

function truncate(sh: Shell, file: string, size: number): void {
  sh.fs.setattr(sh.id(file), { size, killSuidgid: false }, { uid: 0, gid: 0, pid: 1 });
}

function allocate(sh: Shell, file: string, mode: number, start: number, end: number): void {
  sh.fs.fallocate({ nodeid: sh.id(file), fh: 0, offset: start, length: end - start, mode });
}

/** The data of a file as lseek(2) shows them, in KiB. */
function dataOf(sh: Shell, file: string): string {
  const nodeid = sh.id(file);
  const ranges: string[] = [];
  for (let at = 0; ;) {
    try {
      const start = sh.fs.lseek(nodeid, 0, at, SEEK_DATA);
      at = sh.fs.lseek(nodeid, 0, start, SEEK_HOLE);
      ranges.push(`${start / K}-${at / K}`);
    } catch (error) {
      if (error instanceof FsError && error.code === 'ENXIO') return ranges.join(' ');
      throw error;
    }
  }
}

const PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
/** What is done to /f, new and empty, and the data that it has then; sizes from 256 KiB leave memory. */
const CHANGES: readonly [string, (sh: Shell) => void, string][] = [
  ['nothing', () => undefined, ''],
  ['a write', (sh) => sh.write('/f', Buffer.alloc(10 * K)), '0-10'],
  ['a truncation', (sh) => truncate(sh, '/f', 100 * K), ''],
  ['a large truncation', (sh) => truncate(sh, '/f', 1000 * K), ''],
  ['a write behind the end', (sh) => sh.pwrite('/f', Buffer.alloc(4 * K, 1), 41 * K), '40-45'],
  [
    'a large write behind the end',
    (sh) => sh.pwrite('/f', Buffer.alloc(4 * K, 1), 400 * K),
    '400-404',
  ],
  [
    'growth in steps',
    (sh) => {
      sh.write('/f', 'x');
      truncate(sh, '/f', 50 * K);
      sh.pwrite('/f', 'x', 30 * K);
      truncate(sh, '/f', 32 * K);
      truncate(sh, '/f', 64 * K);
      truncate(sh, '/f', 600 * K);
    },
    '0-4 28-32',
  ],
  [
    'holes',
    (sh) => {
      sh.write('/f', Buffer.alloc(40 * K, 1));
      allocate(sh, '/f', PUNCH, 7 * K, 17 * K);
      allocate(sh, '/f', PUNCH, 36 * K, 50 * K);
    },
    '0-8 16-36',
  ],
  [
    'space',
    (sh) => {
      truncate(sh, '/f', 40 * K);
      allocate(sh, '/f', 0, 8 * K, 12 * K);
      allocate(sh, '/f', FALLOC_FL_ZERO_RANGE, 20 * K, 24 * K);
      allocate(sh, '/f', FALLOC_FL_KEEP_SIZE, 40 * K, 80 * K);
    },
    '8-12 20-24',
  ],
];

for (const [title, change, want] of CHANGES) {
  test(`lseek() finds the data after ${title}: ${want === '' ? 'none' : want}`, (t) => {
    const sh = open(t);
    sh.write('/f', '');
    change(sh);
    assert.equal(dataOf(sh, '/f'), want);
    const [nodeid, { size, blocks }] = [sh.id('/f'), sh.stat('/f')];
    assert.throws(() => sh.fs.lseek(nodeid, 0, size, SEEK_HOLE), { code: 'ENXIO' });
    const ranges = want.split(' ').map((range) => range.split('-').map(Number));
    const units = ranges.map(([start = 0, end = 0]) => Math.ceil(end / 4) * 8 - start * 2);
    const taken = units.reduce((sum, each) => sum + each, 0);
    assert.equal(blocks, size === 0 ? 0 : Math.max(1, taken));
    const bytes = sh.readNode(nodeid);
    for (let at = 0; at < size; at += K) {
      const inData = ranges.some(([start = 0, end = 0]) => at >= start * K && at < end * K);
      if (!inData) assert.equal(bytes[at], 0, `a hole at ${at}`);
    }
  });
}

test('punching a lower file copies it up, the rest of it stays', (t) => {
  const sh = open(t);
  for (const [file, size] of [
    ['/small', 40],
    ['/large', 400],
  ] as const) {
    assert.equal(dataOf(sh, file), `0-${size}`);
    allocate(sh, file, PUNCH, 8 * K, 16 * K);
    assert.equal(dataOf(sh, file), `0-8 16-${size}`);
    const bytes = sh.readNode(sh.id(file));
    assert.deepEqual([bytes[8 * K - 1], bytes[8 * K], bytes[16 * K]], [1, 0, 1]);
    assert.equal(sh.stat(file).size, size * K);
  }
});

test('a sparse lower file is seen to be sparse, and stays it when it is copied up', (t) => {
  const sh = open(t);
  assert.deepEqual([dataOf(sh, '/sparse'), sh.stat('/sparse').blocks], ['500-504', 8]);
  sh.pwrite('/sparse', 'y', 100 * K);
  assert.equal(dataOf(sh, '/sparse'), '100-104 500-504');
  assert.equal(sh.stat('/sparse').blocks, 16);
});

test('programs find holes, also where data wait to be written', async (t) => {
  if (!requires(t, 'root', 'fuse', 'program:unshare', 'program:python3')) return;
  const fixture = new LayerFixture(t);
  const base = fixture.step([], (sh) => sh.write('/f', 'text'));
  const { output } = await runMounted(
    fixture,
    [base],
    `
    python3 - <<'END'
import os
def data(file):
    found, at = [], 0
    while True:
        try: start = os.lseek(file, at, os.SEEK_DATA)
        except OSError: return found
        at = os.lseek(file, start, os.SEEK_HOLE); found.append((start // 1024, at // 1024))
for name, end in (('small', 64), ('large', 4096)):
    file = os.open(name, os.O_CREAT | os.O_RDWR)
    os.ftruncate(file, end * 1024)
    os.pwrite(file, b'x' * 4096, 32768)
    assert data(file) == [(32, 36)], data(file)
    os.pwrite(file, b'y' * 4096, 16384)
    assert data(file) == [(16, 20), (32, 36)], data(file)
END
    cp --sparse=auto large copy; cmp large copy; test "$(du -k copy | cut -f 1)" -lt 20; echo same`,
  );
  assert.equal(output, 'same\n');
});
