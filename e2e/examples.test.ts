import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { requires } from '../src/testing/requires.js';

const EXAMPLES = fileURLToPath(new URL('../../examples/library/', import.meta.url));
const HELLO_FS = join(EXAMPLES, 'hello-fs.js');
const BUILD_IMAGE = join(EXAMPLES, 'build-image.js');

function temporaryDirectory(t: test.TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'tsbuild-examples-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

test('examples/library/hello-fs.js is a file system', (t) => {
  if (!requires(t, 'root', 'fuse', 'program:unshare')) return;
  const mountpoint = join(temporaryDirectory(t), 'mnt');
  mkdirSync(mountpoint);
  const script = `"$1" "$2" "$3" & server=$!
    for try in $(seq 100); do grep -q " $3 " /proc/mounts && break; sleep 0.1; done
    ls "$3"; cat "$3/hello"; cat "$3/none" 2>&1 | grep -o 'No such file'
    umount "$3"; wait $server; echo "exit $?"`;
  const args = ['sh', '-c', script, 'sh', process.execPath, HELLO_FS, mountpoint];
  const { stdout, stderr } = spawnSync(
    'unshare',
    ['--mount', '--propagation', 'private', ...args],
    {
      encoding: 'utf8',
      timeout: 30_000,
    },
  );
  assert.equal(stdout, 'hello\nHello from user space.\nNo such file\nexit 0\n', stderr);
});

test('examples/library/build-image.js builds an image', (t) => {
  if (!requires(t, 'fuse', 'program:unshare')) return;
  const dir = temporaryDirectory(t);
  const args = [BUILD_IMAGE, join(dir, 'store'), join(dir, 'layout')];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^sha256:[0-9a-f]{64} .*COPY hello-fs\.js \//);
  assert.ok(existsSync(join(dir, 'layout/index.json')));
});
