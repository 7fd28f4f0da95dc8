import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';

import { O_CREAT, O_DIRECTORY, O_PATH, O_RDONLY, O_WRONLY } from './constants.js';
import { openBeneath } from './deep-path.js';
import { mkdirat } from './directory.js';
import { openat, preadFull, write } from './file.js';

function tempDir(t: test.TestContext): string {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'tsbuild-deep-'));
  // Node's own gives up at paths of such length.
  t.after(() => execFileSync('rm', ['-rf', dir]));
  return dir;
}

function read(root: string, inside: string): string {
  using fd = openBeneath(Buffer.from(root), Buffer.from(inside), O_RDONLY);
  const bytes = Buffer.alloc(100);
  return bytes.toString('latin1', 0, preadFull(fd, bytes, 0));
}

test('openBeneath() opens a file below a path longer than PATH_MAX', (t) => {
  const root = tempDir(t);
  const name = 'n'.repeat(255);
  let dir = openat(undefined, root, O_PATH | O_DIRECTORY);
  for (let depth = 0; depth < 40; depth++) {
    mkdirat(dir, name);
    using above = dir;
    dir = openat(above, name, O_PATH | O_DIRECTORY);
  }
  {
    using end = dir;
    using fd = openat(end, 'file', O_WRONLY | O_CREAT, 0o600);
    write(fd, Buffer.from('deep'));
  }
  assert.equal(read(root, `${`${name}/`.repeat(40)}file`), 'deep');
});

test('openBeneath() follows the root, and no link below it', (t) => {
  const dir = tempDir(t);
  fs.mkdirSync(path.join(dir, 'root/sub'), { recursive: true });
  fs.writeFileSync(path.join(dir, 'root/sub/f'), 'inside');
  fs.writeFileSync(path.join(dir, 'f'), 'outside');
  for (const [name, target] of [
    ['root/sub/up', '../..'],
    ['root/sub/link', 'f'],
    ['root/proc', `/proc/self/fd`],
    ['to-root', 'root'],
  ] as const) {
    fs.symlinkSync(target, path.join(dir, name));
  }
  assert.equal(read(path.join(dir, 'to-root'), 'sub/f'), 'inside');
  for (const inside of ['sub/up/f', 'sub/link', '../f', '/etc/passwd', 'proc/0', 'sub/../../f']) {
    const code = /ELOOP|EXDEV/;
    assert.throws(() => read(path.join(dir, 'root'), inside), { code }, inside);
  }
  assert.throws(() => read(path.join(dir, 'root'), 'none'), { code: 'ENOENT' });
  using root = openBeneath(Buffer.from(dir), Buffer.alloc(0), O_PATH | O_DIRECTORY);
  assert.ok(root.raw >= 0);
});
