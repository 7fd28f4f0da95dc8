import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { BUSYBOX, makeBusyboxRoot } from '../testing/busybox-root.js';
import { UserError } from '../util/errors.js';
import { inMountOrder, secretBytes } from './extra-mounts.js';
import { enterNamespaces } from './reexec.js';
import { runCommand } from './run.js';
import type { RunSpec, SandboxMount } from './run-spec.js';

const SKIP = existsSync(BUSYBOX) ? false : 'needs busybox-static';
if (SKIP !== false && process.env['CI'] === 'true')
  throw new Error(`Cannot run the tests: ${SKIP}`);
// The file is its own re-executed process: as root and as an ordinary user the tests are the same.
if (SKIP === false) enterNamespaces({ argv: process.argv, env: process.env });

const work = mkdtempSync(join(tmpdir(), 'tsbuild-extra-'));
after(() => rmSync(work, { recursive: true, force: true }));
const rootfs = join(work, 'root');
const source = join(work, 'source');
mkdirSync(rootfs);
mkdirSync(join(source, 'dir'), { recursive: true });
writeFileSync(join(source, 'dir/file'), 'inside\n');
writeFileSync(join(source, 'passwd'), 'not the host\n');
symlinkSync('/passwd', join(source, 'absolute'));
symlinkSync('../../../../../../passwd', join(source, 'dots'));
symlinkSync('/absent', join(source, 'nowhere'));
if (SKIP === false) {
  makeBusyboxRoot(rootfs);
  for (const name of ['a', 'b', 'a/in', 'real']) mkdirSync(join(rootfs, name));
  for (const name of ['file', 'real/file']) writeFileSync(join(rootfs, name), 'of the image\n');
  symlinkSync('/real', join(rootfs, 'link'));
  symlinkSync('../../../../../../real/file', join(rootfs, 'outwards'));
}

const bind = (path: string, target: string, readOnly = true): SandboxMount => {
  return { kind: 'bind', root: source, path, target, readOnly };
};
const tmpfs = (target: string): SandboxMount => {
  return { kind: 'tmpfs', target, mode: 0o1777, readOnly: false };
};
const secret = (target: string, mode = 0o400): SandboxMount => {
  const base64 = Buffer.from('secret\n').toString('base64');
  return { kind: 'secret', target, base64, mode, uid: 0, gid: 0 };
};

async function run(command: string, spec: Partial<RunSpec>): Promise<string> {
  let output = '';
  const { exitCode } = await runCommand(
    {
      rootfs,
      argv: ['/bin/sh', '-c', command],
      env: { PATH: '/bin' },
      cwd: '/',
      user: { uid: 0, gid: 0, groups: [] },
      network: 'host',
      hostname: 'sandbox',
      ...spec,
    },
    { onOutput: (_, chunk) => void (output += chunk.toString('latin1')) },
  );
  return exitCode === 0 ? output : `${output}exit ${exitCode}`;
}

const SHOWN: readonly (readonly [what: string, SandboxMount[], command: string, want: string])[] = [
  ['a directory', [bind('dir', '/a')], 'ls /a; cat /a/file', 'file\ninside\n'],
  ['a file', [bind('passwd', '/file')], 'cat /file', 'not the host\n'],
  ['a source behind an absolute link', [bind('absolute', '/file')], 'cat /file', 'not the host\n'],
  ['a source behind a link with dots', [bind('dots', '/file')], 'cat /file', 'not the host\n'],
  ['a target behind a link', [bind('dir', '/link')], 'cat /real/file', 'inside\n'],
  [
    'a target behind a link with dots',
    [bind('passwd', '/outwards')],
    'cat /real/file',
    'not the host\n',
  ],
  [
    'mounts in mounts, whatever comes first',
    [bind('dir', '/a/in'), tmpfs('/a'), secret('/a/x/y')],
    'cat /a/in/file /a/x/y; ls /a',
    'inside\nsecret\nin\nx\n',
  ],
  [
    'no device',
    [bind('dir', '/a', false)],
    'mknod /a/null c 1 3; cat /a/null; status=$?; rm -f /a/null; exit $status',
    '',
  ],
  ['a secret that cannot be run', [secret('/file', 0o555)], 'stat -c %a /file', '555\n'],
];

for (const [what, mounts, command, want] of SHOWN) {
  test(`a command sees ${what}`, { skip: SKIP }, async () => {
    const output = await run(command, { mounts });
    if (want === '') assert.match(output, /exit 1$/);
    else assert.equal(output, want);
  });
}

test('what the image has comes back, and nothing is made in it', { skip: SKIP }, async () => {
  const mounts = [bind('passwd', '/file'), tmpfs('/a'), secret('/a/x/y')];
  await run('echo gone > /a/gone', { mounts });
  assert.equal(await run('cat /file; ls /a', {}), 'of the image\nin\n');
  assert.deepEqual(readdirSync(join(source, 'dir')), ['file']);
});

const REFUSED: readonly (readonly [what: string, SandboxMount, message: RegExp, hint: RegExp])[] = [
  ['a target that is not there', bind('dir', '/absent'), /mount a bind on "\/absent"/, /missing/],
  ['a source that is not there', bind('absent', '/a'), /ENOENT/, /missing/],
  ['a link that leads nowhere', bind('nowhere', '/a'), /ENOENT/, /missing/],
  ['a file on a directory', bind('passwd', '/a'), /ENOTDIR|ENOENT/, /A file is mounted on a file/],
  ['a directory on a file', bind('dir', '/file'), /ENOTDIR/, /A file is mounted on a file/],
  ['a secret on a directory', secret('/a'), /mount a secret on "\/a"/, /A file is mounted/],
];

for (const [what, mount, message, hint] of REFUSED) {
  test(`runCommand() refuses ${what}`, { skip: SKIP }, async () => {
    await assert.rejects(run('true', { mounts: [mount] }), (error) => {
      assert.ok(error instanceof UserError);
      assert.equal(error.code, 'TSB_SANDBOX');
      assert.match(error.message, message);
      assert.match(error.hint ?? '', hint);
      return true;
    });
    assert.ok(!existsSync(join(rootfs, 'absent')));
  });
}

test('a missing place in a read-only mount is named', { skip: SKIP }, async () => {
  const mounts = [{ ...tmpfs('/a'), readOnly: true }, secret('/a/x')];
  await assert.rejects(run('true', { mounts }), { hint: /^It lies in a read-only mount/ });
});

test('limits are set, and one that cannot be is named', { skip: SKIP }, async () => {
  const ulimits = [
    { name: 'nofile', soft: 32, hard: 64 },
    { name: 'core', soft: 0, hard: 0 },
  ];
  assert.equal(await run('ulimit -Sn; ulimit -Hn; ulimit -c', { ulimits }), '32\n64\n0\n');
});

test('/dev/shm has the size that is asked for', { skip: SKIP }, async () => {
  const command = "df -k /dev/shm | awk 'END {print $2}'";
  assert.equal(await run(command, { shmSizeBytes: 1024 * 1024 }), '1024\n');
});

test('inMountOrder() puts what contains first, and the last of two on top', () => {
  const [first, second] = [bind('dir', '/a'), bind('', '/a')];
  const mounts = [tmpfs('/a/b'), first, tmpfs('/a-b'), second];
  const ordered = inMountOrder(mounts);
  assert.deepEqual(
    ordered.map(({ target }) => target),
    ['/a', '/a', '/a-b', '/a/b'],
  );
  assert.deepEqual(ordered.slice(0, 2), [first, second]);
});

test('secretBytes() is enough for every secret', () => {
  assert.equal(secretBytes([tmpfs('/a')]), 0);
  assert.ok(secretBytes([secret('/a'), secret('/b')]) >= 2 * 4096);
});
