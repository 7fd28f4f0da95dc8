import assert from 'node:assert/strict';
import test from 'node:test';
import { byteNameOf, type ByteName } from '../util/byte-name.js';
import { decodeHeader, encodeHeader, splitPath, type TarHeader } from './header.js';

const HEADER: TarHeader = {
  name: 'dir/file' as ByteName,
  linkname: '' as ByteName,
  typeflag: '0',
  mode: 0o4755,
  uid: 1000,
  gid: 0o7777777,
  size: 0o77777777777,
  mtime: 0x5f5e1000,
  devmajor: 8,
  devminor: 0x1234,
};

/** Replaces bytes and makes the checksum right again. */
function patch(block: Buffer, offset: number, bytes: Buffer): Buffer {
  bytes.copy(block, offset);
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(sum.toString(8).padStart(6, '0') + '\0 ', 148, 'latin1');
  return block;
}

test('decodeHeader() inverts encodeHeader()', () => {
  assert.deepEqual(decodeHeader(encodeHeader(HEADER)), HEADER);
});

test('encodeHeader() lays out the fields as POSIX says', () => {
  const block = encodeHeader(HEADER);
  assert.equal(block.length, 512);
  assert.equal(block.toString('latin1', 0, 9), 'dir/file\0');
  assert.equal(block.toString('latin1', 100, 108), '0004755\0');
  assert.equal(block.toString('latin1', 108, 116), '0001750\0');
  assert.equal(block.toString('latin1', 124, 136), '77777777777\0');
  assert.equal(block.toString('latin1', 257, 265), 'ustar\x0000');
});

test('names of other bytes than UTF-8 survive', () => {
  const name = Buffer.from([0x66, 0xff, 0xc3, 0x28]).toString('latin1') as ByteName;
  assert.equal(decodeHeader(encodeHeader({ ...HEADER, name })).name, name);
});

for (const [what, path, want] of [
  ['100 bytes stay whole', 'a'.repeat(100), { prefix: '', name: 'a'.repeat(100) }],
  ['a slash divides', `${'p'.repeat(155)}/${'n'.repeat(100)}`, undefined],
  ['no slash, no split', 'a'.repeat(101), undefined],
  ['a trailing slash cannot divide', `${'a'.repeat(100)}/`, undefined],
  ['prefix too long', `${'p'.repeat(156)}/n`, undefined],
] as const) {
  test(`splitPath(): ${what}`, () => {
    const split = splitPath(byteNameOf(path));
    if (what === 'a slash divides') {
      assert.deepEqual(split, { prefix: 'p'.repeat(155), name: 'n'.repeat(100) });
      const header = { ...HEADER, name: byteNameOf(path) };
      assert.equal(decodeHeader(encodeHeader(header)).name, path);
    } else assert.deepEqual(split, want);
  });
}

for (const [what, bytes, want] of [
  ['base-256', [0x80, 0, 0, 0, 0, 0, 0, 0x02, 0x12, 0x34, 0x56, 0x78], 0x212345678],
  ['negative base-256', [0xff, ...Array<number>(10).fill(0xff), 0xfe], -2],
  ['leading spaces', [...Buffer.from('      1750 \0')], 0o1750],
  ['nothing', Array<number>(12).fill(0), 0],
] as const) {
  test(`decodeHeader() reads a number: ${what}`, () => {
    const block = patch(encodeHeader(HEADER), 136, Buffer.from(bytes));
    assert.equal(decodeHeader(block).mtime, want);
  });
}

for (const [what, offset, bytes] of [
  ['not octal', 124, Buffer.from('0000000009z\0')],
  ['out of range', 124, Buffer.from([0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0])],
] as const) {
  test(`decodeHeader() refuses a number: ${what}`, () => {
    const block = patch(encodeHeader(HEADER), offset, bytes);
    assert.throws(() => decodeHeader(block), { code: 'TSB_LAYER_INVALID' });
  });
}

test('decodeHeader() refuses a wrong checksum, whichever byte is wrong', () => {
  for (let at = 0; at < 512; at++) {
    const block = encodeHeader(HEADER);
    block.writeUInt8((block.readUInt8(at) + 1) & 0xff, at);
    if (at === 154 || at === 155) continue; // the end of the checksum field is not significant
    assert.throws(() => decodeHeader(block), { code: 'TSB_LAYER_INVALID' }, `byte ${at}`);
  }
});

test('decodeHeader() reads a header of before POSIX', () => {
  const block = patch(encodeHeader(HEADER), 257, Buffer.alloc(255));
  assert.equal(decodeHeader(block).name, 'dir/file');
});
