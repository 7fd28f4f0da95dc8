import assert from 'node:assert/strict';
import test from 'node:test';
import { decodePax, encodePax, formatPaxTime, parsePaxTime } from './pax.js';

test('decodePax() inverts encodePax(), binary values included', () => {
  const value = Buffer.from([0, 0xff, 0x0a, 0x3d, 0x20, 0xc3]);
  const records = new Map([
    ['SCHILY.xattr.security.capability', value],
    ['mtime', Buffer.from('1.5')],
    ['path', Buffer.from('x'.repeat(989))],
  ]);
  assert.deepEqual(decodePax(encodePax(records)), records);
});

for (const size of [1, 90, 91, 92, 93, 94, 986, 987, 988, 989, 990, 9985, 9986, 9987, 9988]) {
  test(`encodePax() counts its own length digits: ${size} bytes`, () => {
    const bytes = encodePax(new Map([['path', Buffer.alloc(size, 'x')]]));
    assert.equal(Number.parseInt(bytes.toString('latin1'), 10), bytes.length);
  });
}

test('encodePax() writes the example of POSIX', () => {
  const bytes = encodePax(new Map([['mtime', Buffer.from('1700000000.123456789')]]));
  assert.equal(bytes.toString(), '30 mtime=1700000000.123456789\n');
});

test('decodePax() refuses every truncation', () => {
  const bytes = encodePax(new Map([['path', Buffer.from('some/where')]]));
  for (let size = 1; size < bytes.length; size++) {
    assert.throws(() => decodePax(bytes.subarray(0, size)), { code: 'TSB_LAYER_INVALID' });
  }
});

for (const [what, text] of [
  ['no length', ' path=x\n'],
  ['a negative length', '-9 path=x\n'],
  ['length 0', '0 path=x\n'],
  ['a length into the next record', '12 path=x\n99 a=b\n'],
  ['no equals sign', '7 path\n'],
  ['no keyword', '5 =x\n'],
  ['no newline', '9 path=x.'],
  ['zeros', '\0\0\0\0'],
] as const) {
  test(`decodePax() refuses ${what}`, () => {
    assert.throws(() => decodePax(Buffer.from(text)), { code: 'TSB_LAYER_INVALID' });
  });
}

for (const [text, sec, nsec] of [
  ['0', 0, 0],
  ['1700000000.123456789', 1700000000, 123456789],
  ['-1.5', -2, 500000000],
  ['-0.25', -1, 750000000],
  ['-7', -7, 0],
  ['1.000000001', 1, 1],
] as const) {
  test(`PAX time ${text}`, () => {
    assert.deepEqual(parsePaxTime(Buffer.from(text)), { sec, nsec });
    assert.equal(formatPaxTime(sec, nsec), text);
  });
}

test('parsePaxTime() cuts digits below the nanosecond and refuses nonsense', () => {
  assert.deepEqual(parsePaxTime(Buffer.from('1.0000000019')), { sec: 1, nsec: 1 });
  for (const text of ['', 'x', '1e9', '--1', '1.2.3']) {
    assert.throws(() => parsePaxTime(Buffer.from(text)), { code: 'TSB_LAYER_INVALID' });
  }
});
