import assert from 'node:assert/strict';
import test from 'node:test';
import { parseListing } from './git-refs.js';

const ID = '0123456789abcdef0123456789abcdef01234567';

test('parseListing() reads refs and what HEAD points to', () => {
  const text = `ref: refs/heads/main\tHEAD\n${ID}\tHEAD\n${ID}\trefs/tags/v1^{}\n`;
  const { ids, head } = parseListing(text);
  assert.equal(head, 'refs/heads/main');
  assert.deepEqual([...ids.keys()], ['HEAD', 'refs/tags/v1^{}']);
});

for (const target of [
  '--stdin',
  '-',
  'refs/heads/a..b',
  'refs/heads/a b',
  'refs/heads/a:b',
  'x',
  '',
]) {
  test(`parseListing() takes no HEAD that points to ${JSON.stringify(target)}`, () => {
    assert.equal(parseListing(`ref: ${target}\tHEAD\n`).head, undefined);
  });
}

test('parseListing() leaves what is no id', () => {
  assert.deepEqual([...parseListing(`xyz\tHEAD\n${ID}\n\t\n--x\trefs/heads/a\n`).ids], []);
});
