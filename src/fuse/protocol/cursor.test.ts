import assert from 'node:assert/strict';
import test from 'node:test';
import { hex } from '../../testing/hex.js';
import { Cursor } from './cursor.js';

function cursorOf(bytes: Buffer): Cursor {
  const cursor = new Cursor(bytes);
  cursor.reset(0, bytes.length);
  return cursor;
}

test('Cursor reads little-endian numbers in order', () => {
  const cursor = cursorOf(
    hex(`
      22 11                    # u16
      44 33 22 11              # u32
      88 77 66 55 44 33 02 00  # u64
      fe ff ff ff ff ff ff ff  # s64
    `),
  );
  assert.equal(cursor.u16(), 0x1122);
  assert.equal(cursor.u32(), 0x11223344);
  assert.equal(cursor.u64(), 0x2334455667788);
  assert.equal(cursor.seconds(), -2);
  assert.equal(cursor.remaining, 0);
});

test('Cursor reads names as bytes and goes on behind their NUL', () => {
  const cursor = cursorOf(hex('61 ff 0a 00  62 00'));
  assert.equal(cursor.name(), 'a\xff\n');
  assert.deepEqual(cursor.cString(), Buffer.from('b'));
});

test('Cursor refuses a u64 that is no safe integer', () => {
  for (const bytes of ['88 77 66 55 44 33 22 11', '00 00 00 00 00 00 20 00']) {
    assert.throws(() => cursorOf(hex(bytes)).u64(), { code: 'EOVERFLOW' });
  }
});

test('Cursor clamps seconds that are no safe integer', () => {
  const [latest, earliest] = ['ff ff ff ff ff ff ff 7f', '00 00 00 00 00 00 00 80'];
  assert.equal(cursorOf(hex(latest)).seconds(), Number.MAX_SAFE_INTEGER);
  assert.equal(cursorOf(hex(earliest)).seconds(), Number.MIN_SAFE_INTEGER);
});

const SHORT: [string, number, (cursor: Cursor) => unknown][] = [
  ['u16', 2, (cursor) => cursor.u16()],
  ['u32', 4, (cursor) => cursor.u32()],
  ['u64', 8, (cursor) => cursor.u64()],
  ['seconds', 8, (cursor) => cursor.seconds()],
  ['bytes', 5, (cursor) => cursor.bytes(5)],
  ['skip', 6, (cursor) => cursor.skip(6)],
];
for (const [name, size, read] of SHORT) {
  test(`Cursor refuses every truncation of ${name}`, () => {
    const cursor = new Cursor(Buffer.alloc(16));
    for (let length = 0; length < size; length++) {
      cursor.reset(0, length);
      assert.throws(() => read(cursor), { code: 'EIO' });
    }
    cursor.reset(0, size);
    read(cursor);
  });
}

test('Cursor does not find the NUL of an earlier request behind the end of this one', () => {
  const cursor = new Cursor(hex('61 62 00'));
  cursor.reset(0, 2);
  assert.throws(() => cursor.name(), { code: 'EIO' });
});
