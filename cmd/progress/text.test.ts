import assert from 'node:assert/strict';
import test from 'node:test';
import { LineSplitter } from './lines.js';
import { displayWidth, formatBytes, formatDuration, sanitizeLine, truncate } from './text.js';

const LINES: [name: string, line: string, want: string][] = [
  ['plain text', 'hello', 'hello'],
  ['a colour', '\x1b[1;31mred\x1b[0m', 'red'],
  ['a cursor movement', 'a\x1b[2Ab\x1b[Kc', 'abc'],
  ['an 8-bit CSI', 'a\x9b2Jb', 'ab'],
  ['a window title', '\x1b]0;title\x07text', 'text'],
  ['a hyperlink ended by ST', '\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\', 'link'],
  ['a title that never ends', 'a\x1b]0;title', 'a'],
  ['a charset escape', '\x1b(Btext', 'text'],
  ['a bell and a backspace', 'a\x07b\x08c', 'abc'],
  ['a carriage return', '10%\r20%\r30%', '30%'],
  ['a carriage return before the line end', 'text\r', 'text'],
  ['tabs', 'a\tb\tc', 'a       b       c'],
  ['a reversal of direction', 'a\u202eb', 'ab'],
  ['letters beyond ASCII', 'naïve 漢字 🎉', 'naïve 漢字 🎉'],
];
for (const [name, line, want] of LINES) {
  test(`sanitizeLine() of ${name}`, () => {
    assert.equal(sanitizeLine(line), want);
  });
}

test('displayWidth() counts wide characters twice and combining marks not at all', () => {
  assert.equal(displayWidth('naïve'), 5);
  assert.equal(displayWidth('nai\u0308ve'), 5);
  assert.equal(displayWidth('漢字'), 4);
  assert.equal(displayWidth('🎉'), 2);
});

const CUTS: [string, number, string][] = [
  ['hello', 5, 'hello'],
  ['hello', 4, 'hel…'],
  ['漢字漢字', 5, '漢字…'],
  ['漢字漢字', 4, '漢…'],
  ['hello', 1, '…'],
  ['hello', 0, ''],
];
for (const [text, columns, want] of CUTS) {
  test(`truncate('${text}', ${columns})`, () => {
    assert.equal(truncate(text, columns), want);
  });
}

const DURATIONS: [number, string][] = [
  [0, '0.0s'],
  [444, '0.4s'],
  [59_940, '59.9s'],
  [59_960, '1m00s'],
  [123_000, '2m03s'],
  [3_720_000, '1h02m'],
];
for (const [durationMs, want] of DURATIONS) {
  test(`formatDuration(${durationMs})`, () => {
    assert.equal(formatDuration(durationMs), want);
  });
}

const SIZES: [number, string][] = [
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.00 kB'],
  [12_345, '12.3 kB'],
  [999_499, '999 kB'],
  [999_600, '1.00 MB'],
  [48_500_000_000, '48.5 GB'],
];
for (const [bytes, want] of SIZES) {
  test(`formatBytes(${bytes})`, () => {
    assert.equal(formatBytes(bytes), want);
  });
}

test('LineSplitter keeps a character together that comes in two chunks', () => {
  const splitter = new LineSplitter();
  assert.deepEqual(splitter.push(Buffer.from([0x61, 0xc3])), []);
  assert.deepEqual(splitter.push(Buffer.from([0xa4, 0x0a, 0x62])), ['aä']);
  assert.equal(splitter.rest, 'b');
  assert.deepEqual(splitter.end(), ['b']);
  assert.deepEqual(splitter.end(), []);
});

test('LineSplitter hands out an endless line in pieces, without loss', () => {
  const splitter = new LineSplitter();
  const pieces = splitter.push(Buffer.alloc(200_000, 'x'));
  assert.equal([...pieces, ...splitter.end()].join('').length, 200_000);
  assert.ok(pieces.length > 1);
});
