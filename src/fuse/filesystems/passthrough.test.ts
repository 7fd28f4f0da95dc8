import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import test from 'node:test';

import { requires } from '../../testing/requires.js';

const SERVER = path.join(import.meta.dirname, '../../testing/passthrough-server.js');

/** A script for the mount, what it prints, and then a script for the directory itself. */
const CASES: readonly [string, string, string, string, string][] = [
  [
    'reads and writes',
    'cat old; echo new > made; echo more >> old',
    'old\n',
    'cat made old',
    'new\nold\nmore\n',
  ],
  ['removes', 'rm old; rmdir empty; ls', 'dir\nlink\n', 'ls', 'dir\nlink\n'],
  [
    'moves directories',
    'mv dir moved; cat moved/in; echo x > moved/y',
    'in\n',
    'ls moved',
    'in\ny\n',
  ],
  ['moves over files', 'mv dir/in old; cat old', 'in\n', 'cat old; ls dir', 'in\n'],
  [
    'links',
    'readlink link; cat link; ln old hard; stat -c %h old hard; rm old; cat hard; ln -s x sym',
    'old\nold\n2\n2\nold\n',
    'stat -c %h hard; readlink sym',
    '1\nx\n',
  ],
  [
    'keeps what is open and has no name',
    'exec 3<>old; rm old; echo more >&3; cat /proc/self/fd/3; stat -L -c "%h %s" /proc/self/fd/3',
    'more\n0 5\n',
    'ls',
    'dir\nempty\nlink\n',
  ],
  [
    'sets owners, modes and times',
    'chown 7:8 old; chmod 6750 old; chown 9 old; stat -c "%u:%g %a" old; touch -d @-5.25 old',
    '9:8 750\n',
    'stat -c "%u:%g %a %.Y" old',
    '9:8 750 -5.250000000\n',
  ],
  [
    'inherits the group',
    'chown :5 dir; chmod 2755 dir; mkdir dir/a',
    '',
    'stat -c "%g %a" dir/a',
    '5 2755\n',
  ],
  [
    'does not follow links out of the directory',
    'rm -r dir; ln -s / dir; ls dir | grep -c ^proc; rm dir; mkdir dir; ls dir',
    '1\n',
    'ls dir',
    '',
  ],
  [
    'lists many',
    'cd dir; seq 2000 | xargs touch; ls | wc -l; rm -f -- *; ls',
    '2001\n',
    'ls dir',
    '',
  ],
  [
    'takes any name',
    `n=$(printf 'a\\377'); echo x > "$n"; cat "$n"; rm "$n"`,
    'x\n',
    'ls',
    'dir\nempty\nlink\nold\n',
  ],
  [
    'allocates and truncates',
    'truncate -s 10 old; stat -c %s old; fallocate -l 4096 f; stat -c %s f; truncate -s 1 f',
    '10\n4096\n',
    'stat -c %s f old',
    '1\n10\n',
  ],
];

function makeTree(dir: string): void {
  fs.mkdirSync(path.join(dir, 'dir'), { recursive: true });
  fs.mkdirSync(path.join(dir, 'empty'));
  fs.writeFileSync(path.join(dir, 'old'), 'old\n');
  fs.writeFileSync(path.join(dir, 'dir/in'), 'in\n');
  fs.symlinkSync('old', path.join(dir, 'link'));
}

test('PassthroughFileSystem shows a directory as it is', async (t) => {
  if (!requires(t, 'root', 'fuse', 'program:unshare', 'program:nsenter')) return;
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'passthrough-'));
  t.after(() => fs.rmSync(root, { recursive: true, force: true }));
  const [dir, mountpoint] = [path.join(root, 'dir'), path.join(root, 'mnt')];
  fs.mkdirSync(dir);
  fs.mkdirSync(mountpoint);
  const unshare = [
    '--mount',
    '--propagation',
    'private',
    process.execPath,
    SERVER,
    dir,
    mountpoint,
  ];
  // Few descriptors: none may be kept per file.
  const args = ['--nofile=200', 'unshare', ...unshare];
  const server = spawn('prlimit', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(server, 'exit');
  t.after(() => server.kill('SIGKILL'));
  const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
  assert.equal((await lines.next()).value, 'mounted');
  const run = (cwd: string, script: string): string => {
    const enter = ['-t', String(server.pid), '-m', 'bash', '-c', `cd '${cwd}'; ${script}`];
    const env = { ...process.env, LC_ALL: 'C' };
    const { stdout, stderr } = spawnSync('nsenter', enter, {
      encoding: 'latin1',
      env,
      timeout: 60_000,
    });
    return stdout + stderr;
  };
  for (const [i, [name, script, printed, after, shown]] of CASES.entries()) {
    await t.test(name, () => {
      makeTree(path.join(dir, String(i)));
      assert.equal(run(path.join(mountpoint, String(i)), script), printed);
      assert.equal(run(path.join(dir, String(i)), after), shown);
    });
  }
  await t.test('leaves no descriptor open', async () => {
    run('/', `umount '${mountpoint}'`);
    assert.equal((await lines.next()).value, 'unmounted 0');
    await exited;
  });
});
