import assert from 'node:assert/strict';
import test from 'node:test';
import { parseModeChange } from './file-mode.js';

const CASES: readonly (readonly [text: string, mode: number, isDir: boolean, want: number])[] = [
  ['755', 0o600, false, 0o755],
  ['0644', 0o777, true, 0o644],
  ['4755', 0o600, false, 0o4755],
  ['u=rwX,go=rX', 0o600, false, 0o644],
  ['u=rwX,go=rX', 0o700, false, 0o755],
  ['u=rwX,go=rX', 0o600, true, 0o755],
  ['+x', 0o644, false, 0o755],
  ['go-w', 0o666, false, 0o644],
  ['a=r', 0o4777, false, 0o444],
  ['o=u', 0o640, false, 0o646],
  ['u+s,g+s', 0o755, false, 0o6755],
  ['+t', 0o777, true, 0o1777],
  ['u+w-x', 0o555, false, 0o655],
  ['g=', 0o770, false, 0o700],
  ['000755', 0o600, false, 0o755],
  ['=r', 0o4777, false, 0o444],
  ['a=r', 0o1777, true, 0o1444],
  ['a=rt', 0o777, true, 0o1444],
  ['o+st', 0o644, false, 0o644],
  ['u+t', 0o644, false, 0o1644],
  ['-t', 0o1777, true, 0o777],
  ['u=rw,g=r,o=r', 0o777, false, 0o644],
  ['a-x,a+X', 0o755, false, 0o755],
  ['a+X', 0o644, false, 0o644],
  ['a+X', 0o654, false, 0o755],
  ['a-X', 0o755, false, 0o644],
  ['go=u-w', 0o640, false, 0o644],
  ['g=o', 0o2771, false, 0o2711],
  ['g-u', 0o570, false, 0o520],
  ['u+rw,g+r,o-x,o+w', 0o124, true, 0o766],
  ['ug=rw', 0o6711, false, 0o661],
  ['u+', 0o644, false, 0o644],
  ['ugo+x', 0o644, false, 0o755],
];
for (const [text, mode, isDir, want] of CASES) {
  test(`parseModeChange() "${text}" of ${mode.toString(8)}${isDir ? ' (directory)' : ''}`, () => {
    assert.equal(parseModeChange(text).apply(mode, isDir).toString(8), want.toString(8));
  });
}

for (const text of [
  '',
  '888',
  'rwx',
  'u=z',
  '77777',
  '10000',
  '64a',
  'u',
  'u+r,',
  ',u+r',
  '+755',
  '0o755',
  'u +r',
]) {
  test(`parseModeChange() refuses "${text}"`, () => {
    assert.throws(() => parseModeChange(text), { code: 'TSB_COPY' });
  });
}
