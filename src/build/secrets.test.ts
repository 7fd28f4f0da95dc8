import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { SECRET_BYTES_MAX, SecretStore } from './secrets.js';

function fileOf(t: TestContext, content: string | Buffer): string {
  const dir = mkdtempSync(join(tmpdir(), 'tsbuild-secret-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, 'secret');
  writeFileSync(file, content);
  return file;
}

test('get() reads a file once, and only then', (t) => {
  const path = fileOf(t, 'one');
  const store = new SecretStore([
    { id: 'a', kind: 'file', path },
    { id: 'b', kind: 'value', value: 'two' },
  ]);
  assert.deepEqual(store.ids, ['a', 'b']);
  writeFileSync(path, 'later');
  assert.equal(store.get('a')?.toString(), 'later');
  writeFileSync(path, 'too late');
  assert.equal(store.get('a')?.toString(), 'later');
  assert.equal(store.get('b')?.toString(), 'two');
  assert.equal(store.get('c'), undefined);
});

test('readable() has all that can be read, and whether it has changed', (t) => {
  const path = fileOf(t, 'one');
  const read = () =>
    new SecretStore([
      { id: 'a', kind: 'file', path },
      { id: 'b', kind: 'value', value: 'two' },
      { id: 'c', kind: 'file', path: `${path}-absent` },
    ]).readable();
  const before = read();
  assert.deepEqual(
    before.map(({ id, bytes }) => [id, bytes.toString()]),
    [
      ['a', 'one'],
      ['b', 'two'],
    ],
  );
  assert.deepEqual(read(), before);
  writeFileSync(path, 'others');
  const after = read();
  assert.notEqual(after[0]?.state, before[0]?.state);
  assert.equal(after[1]?.state, undefined);
});

test('get() keeps bytes that are no text', (t) => {
  const bytes = Buffer.from([0, 0xff, 0x0a]);
  const store = new SecretStore([{ id: 'a', kind: 'file', path: fileOf(t, bytes) }]);
  assert.deepEqual(store.get('a'), bytes);
});

test('get() refuses a file that is too large, missing, or a directory', (t) => {
  const path = fileOf(t, Buffer.alloc(SECRET_BYTES_MAX + 1));
  const cases = [
    [path, 'TSB_LIMIT'],
    [`${path}-absent`, 'TSB_CONTEXT'],
    [tmpdir(), 'TSB_CONTEXT'],
  ] as const;
  for (const [file, code] of cases) {
    const store = new SecretStore([{ id: 'a', kind: 'file', path: file }]);
    assert.throws(() => store.get('a'), { code });
  }
});
