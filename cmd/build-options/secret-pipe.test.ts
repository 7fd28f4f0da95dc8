import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createWriteStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { SECRET_BYTES_MAX } from '../../src/build/secrets.js';
import { readSecretPipes } from './secret-pipe.js';

const BYTES = Buffer.from([0, 0xff, 0x0a]);
const { signal } = new AbortController();
const STDIN = { id: 'in', kind: 'file', path: '/dev/stdin' } as const;

function fifoOf(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'tsbuild-pipe-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, 'fifo');
  execFileSync('mkfifo', [path]);
  return path;
}

test('readSecretPipes() reads a FIFO once, whoever opens it first', async (t) => {
  const path = fifoOf(t);
  const file = `${path}-file`;
  writeFileSync(file, 'x');
  const others = [
    { id: 'c', kind: 'file', path: file },
    { id: 'd', kind: 'value', value: 'y' },
    { id: 'e', kind: 'file', path: `${path}-absent` },
  ] as const;
  const fifos = ['a', 'b'].map((id) => ({ id, kind: 'file' as const, path }));
  const reading = readSecretPipes([...fifos, ...others], { signal });
  const writer = createWriteStream(path);
  writer.write(BYTES.subarray(0, 1));
  setTimeout(() => writer.end(BYTES.subarray(1)), 20);
  const read = ['a', 'b'].map((id) => ({ id, kind: 'value', value: BYTES }));
  assert.deepEqual(await reading, [...read, ...others]);
});

test('readSecretPipes() ends when it is aborted while nobody writes', async (t) => {
  const controller = new AbortController();
  const sources = [{ id: 'a', kind: 'file', path: fifoOf(t) }] as const;
  const reading = readSecretPipes(sources, { signal: controller.signal });
  setTimeout(() => controller.abort(new Error('enough')), 20);
  await assert.rejects(reading, /^Error: enough$/);
});

test('readSecretPipes() reads no more than a secret may have', async (t) => {
  const path = fifoOf(t);
  const reading = readSecretPipes([{ id: 'a', kind: 'file', path }], { signal });
  const writer = createWriteStream(path).on('error', () => undefined);
  writer.end(Buffer.alloc(SECRET_BYTES_MAX + 1));
  await assert.rejects(reading, { code: 'TSB_LIMIT' });
  const zeros = [{ id: 'a', kind: 'file', path: '/dev/zero' }] as const;
  await assert.rejects(readSecretPipes(zeros, { signal }), { code: 'TSB_LIMIT' });
});

test('readSecretPipes() takes standard input from nobody else', async () => {
  await assert.rejects(readSecretPipes([STDIN], { signal, stdinReader: 'the Buildfile' }), {
    code: 'TSB_USAGE',
    message: 'Cannot read both secret "in" and the Buildfile from standard input',
  });
});
