import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync } from 'node:fs';
import { rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { MS_BIND, MS_REC, mount, umount2 } from '../sys/mount.js';
import { BUSYBOX, makeBusyboxRoot } from '../testing/busybox-root.js';
import { findMounts, findProcesses, waitFor } from '../testing/processes.js';
import { requires } from '../testing/requires.js';
import { hasCode } from '../util/errors.js';
import { enterNamespaces } from './reexec.js';
import { RUN_GRACE_MS, prestart, runCommand } from './run.js';
import type { RunOptions } from './run.js';
import type { RunResult, RunSpec } from './run-spec.js';

const SKIP = existsSync(BUSYBOX) ? false : 'needs busybox-static';
if (SKIP !== false && process.env['CI'] === 'true')
  throw new Error(`Cannot run the tests: ${SKIP}`);
// The file is its own re-executed process: as root and as an ordinary user the tests are the same.
if (SKIP === false) enterNamespaces({ argv: process.argv, env: process.env });

const work = mkdtempSync(join(tmpdir(), 'tsbuild-run-'));
const rootfs = join(work, 'root');
mkdirSync(rootfs);
if (SKIP === false) makeBusyboxRoot(rootfs);
after(() => rmSync(work, { recursive: true, force: true }));

/** Whether this is the real root, not the one of a user namespace. */
const REAL_ROOT = /^\s*0\s+0\s+4294967295$/m.test(readFileSync('/proc/self/uid_map', 'utf8'));

interface Outcome extends RunResult {
  readonly stdout: string;
  readonly stderr: string;
}

async function run(
  command: string | readonly string[],
  spec: Partial<RunSpec> = {},
  options: Omit<RunOptions, 'onOutput'> = {},
): Promise<Outcome> {
  const output = { stdout: '', stderr: '' };
  const result = await runCommand(
    {
      rootfs,
      argv: typeof command === 'string' ? ['/bin/sh', '-c', command] : command,
      env: { PATH: '/bin' },
      cwd: '/',
      user: { uid: 0, gid: 0, groups: [] },
      network: 'host',
      hostname: 'sandbox',
      ...spec,
    },
    { ...options, onOutput: (stream, chunk) => void (output[stream] += chunk.toString('latin1')) },
  );
  return { ...result, ...output };
}

const OK = { exitCode: 0, signal: undefined, stderr: '' };

const STATUSES = [
  ['true', 0, undefined, ''],
  ['exit 3', 3, undefined, ''],
  ['kill -9 $$', 137, 'SIGKILL', ''],
  ['kill -TERM $$', 143, 'SIGTERM', ''],
  [['nosuch'], 127, undefined, 'tsbuild: cannot start "nosuch": not found\n'],
  [['/bin/nosuch'], 127, undefined, 'tsbuild: cannot start "/bin/nosuch": not found\n'],
  [['/etc/passwd'], 126, undefined, 'tsbuild: cannot start "/etc/passwd": permission denied\n'],
  [['/tmp'], 126, undefined, 'tsbuild: cannot start "/tmp": it is a directory\n'],
] as const;

for (const [command, exitCode, signal, stderr] of STATUSES) {
  test(`runCommand() tells how ${JSON.stringify(command)} ended`, { skip: SKIP }, async () => {
    assert.deepEqual(await run(command), { exitCode, signal, stdout: '', stderr });
  });
}

const SITUATIONS = [
  ['standard input is empty', 'wc -c', '0\n'],
  ['the environment is the given one', 'env | grep -v -e PWD -e SHLVL', 'PATH=/bin\n'],
  ['the umask is 022', 'umask', '0022\n'],
  ['the host name is set', 'hostname', 'sandbox\n'],
  ['few files may be open', 'ulimit -Sn', '1024\n'],
  [
    'no signal is ignored or blocked',
    'grep -E "Sig(Ign|Blk)" /proc/self/status | cut -f 2',
    `${'0'.repeat(16)}\n${'0'.repeat(16)}\n`,
  ],
  ['no descriptor is left open', 'ls /proc/self/fd', '0\n1\n2\n3\n'],
  ['it leads a session', '[ "$(cut -d " " -f 5,6 /proc/$$/stat)" = "$$ $$" ] && echo yes', 'yes\n'],
  ['no_new_privs is off', 'grep NoNewPrivs /proc/self/status | cut -f 2', '0\n'],
  [
    'the devices work',
    'echo x >/dev/null; head -c 2 /dev/zero | wc -c; head -c 3 /dev/urandom | wc -c; echo full 2>&- >/dev/full || echo ok',
    '2\n3\nok\n',
  ],
  ['/dev/stdout can be opened', 'echo hi >/dev/stdout', 'hi\n'],
  ['/dev/shm is for everybody', 'stat -c %a /dev/shm', '1777\n'],
  ['hosts names localhost', 'head -1 /etc/hosts', '127.0.0.1\tlocalhost sandbox\n'],
  ['hosts may be changed', 'echo 1.2.3.4 x >>/etc/hosts; tail -1 /etc/hosts', '1.2.3.4 x\n'],
  [
    'zombies are reaped',
    '(sleep 0.1 & ) ; sleep 0.4; cat /proc/[0-9]*/stat | grep -c " Z " || true',
    '0\n',
  ],
] as const;

for (const [title, command, stdout] of SITUATIONS) {
  test(`runCommand(): ${title}`, { skip: SKIP }, async () => {
    assert.deepEqual(await run(command), { ...OK, stdout });
  });
}

test('runCommand() offers its scripts as programs', { skip: SKIP }, async () => {
  const scripts = { EOF: '#!/bin/sh\necho "$0" "$1"\n' };
  const user = { uid: 1000, gid: 1000, groups: [] };
  const outcome = await run(['/dev/pipes/EOF', 'x'], { scripts, user });
  assert.deepEqual(outcome, { ...OK, stdout: '/dev/pipes/EOF x\n' });
});

test('runCommand() leaves nothing in the root', { skip: SKIP }, async () => {
  await run('true');
  assert.equal(readFileSync(join(rootfs, 'etc/hosts'), 'utf8'), '');
  assert.deepEqual(readdirSync(join(rootfs, 'dev')), []);
});

const DOCKER_CAPABILITIES = '00000000a80425fb';
const NONE = '0'.repeat(16);

for (const [uid, capabilities] of [
  [0, DOCKER_CAPABILITIES],
  [1000, NONE],
] as const) {
  test(`runCommand() gives uid ${uid} its capabilities`, { skip: SKIP }, async () => {
    const user = { uid, gid: 5, groups: [6, 7] };
    const { stdout } = await run('cat /proc/self/status; echo hi >/dev/stdout', { user });
    const field = (name: string): string =>
      new RegExp(`^${name}:\\s*(.*?)\\s*$`, 'm').exec(stdout)?.[1] ?? '';
    assert.deepEqual(['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].map(field), [
      NONE,
      capabilities,
      capabilities,
      DOCKER_CAPABILITIES,
      NONE,
    ]);
    assert.equal(field('Uid'), Array<number>(4).fill(uid).join('\t'));
    assert.equal(field('Gid'), '5\t5\t5\t5');
    assert.equal(field('Groups'), '6 7');
    assert.match(stdout, /^hi$/m);
  });
}

/** Each fails without a trace; what it prints on stdout shows that it did not. */
const ATTACKS = [
  ['writes to /proc/sys', 'echo 1 >/proc/sys/kernel/panic_on_oops && echo done'],
  ['writes to /proc/sysrq-trigger', 'echo h >/proc/sysrq-trigger && echo done'],
  ['writes to /sys', 'echo 0 >/sys/module/printk/parameters/time && echo done'],
  ['remounts /proc/sys', 'mount -o remount,rw /proc/sys && echo done'],
  ['unmounts the cover of /proc/keys', 'umount /proc/keys && echo done'],
  ['reads the keys', 'cat /proc/keys'],
  ['mounts a file system', 'mount -t tmpfs none /tmp && echo done'],
  ['makes a device in /tmp', 'mknod /tmp/d c 1 5 && head -c 4 /tmp/d | wc -c | grep 4'],
  ['makes a device in /dev', 'mknod /dev/d c 1 5 && head -c 4 /dev/d | wc -c | grep 4'],
  ['makes a device in /dev/shm', 'mknod /dev/shm/d c 1 5 && head -c 4 /dev/shm/d | wc -c | grep 4'],
  ['looks into the root of the init', 'ls /proc/1/root'],
  ['looks into the memory of the init', 'head -c 1 /proc/1/environ'],
  ['opens the streams of the init', 'cat /proc/1/fd/3'],
  [
    'opens the debugger of the init',
    'kill -USR1 1; sleep 0.3; nc 127.0.0.1 9229 </dev/null && echo done',
  ],
  [
    'makes namespaces to mount a new /proc',
    'unshare -Urmpf sh -c "mount -t proc p /proc && echo 1 >/proc/sys/kernel/panic_on_oops && echo done"',
  ],
] as const;

for (const [title, command] of ATTACKS) {
  test(`a RUN as root fails when it ${title}`, { skip: SKIP }, async () => {
    const { stdout } = await run(command);
    assert.equal(stdout, '');
    rmSync(join(rootfs, 'tmp/d'), { force: true });
  });
}

test('a RUN cannot end its init', { skip: SKIP }, async () => {
  const outcome = await run('kill -9 1; kill -STOP 1; kill -TERM 1; kill -INT 1; echo alive');
  assert.deepEqual(outcome, { ...OK, stdout: 'alive\n' });
});

const ESCAPE = `
mkdir "/tmp/x"; chdir "/tmp"; chroot "x" or die "chroot: $!";
chdir ".." for 1..64; chroot "." or die;
print -e $ARGV[0] ? "escaped" : "inside";`;

test('a RUN cannot leave by the chroot trick', { skip: SKIP }, async (t) => {
  if (!requires(t, 'program:perl')) return;
  // The host's perl with its libraries: busybox's chroot changes directory and cannot do it.
  const dirs = ['usr', ...['lib', 'lib64'].filter((name) => existsSync(`/${name}`))];
  for (const name of dirs) {
    mkdirSync(join(rootfs, name), { recursive: true });
    mount({ source: `/${name}`, target: join(rootfs, name), flags: MS_BIND | MS_REC });
  }
  try {
    const outcome = await run(['/usr/bin/perl', '-e', ESCAPE, work]);
    assert.deepEqual(outcome, { ...OK, stdout: 'inside' });
  } finally {
    for (const name of dirs.reverse()) umount2(join(rootfs, name), 2);
  }
});

test('a RUN cannot change the devices of the host', { skip: SKIP }, async () => {
  const before = statSync('/dev/null').mode;
  await run('chmod 600 /dev/null; rm -f /dev/null; mv /dev/zero /dev/null');
  assert.equal(statSync('/dev/null').mode, before);
});

test('symlinks of an image do not lead the mounts out of it', { skip: SKIP }, async () => {
  const outside = join(work, 'outside');
  writeFileSync(outside, 'sentinel');
  const image = join(work, 'hostile');
  mkdirSync(image);
  makeBusyboxRoot(image);
  mkdirSync(join(image, work), { recursive: true });
  writeFileSync(join(image, outside), '');
  rmSync(join(image, 'etc/hosts'));
  symlinkSync(outside, join(image, 'etc/hosts'));
  rmSync(join(image, 'etc/resolv.conf'));
  symlinkSync(`../../../../../../..${outside}`, join(image, 'etc/resolv.conf'));
  const { stdout } = await run('cat /etc/resolv.conf; echo bad >/etc/resolv.conf', {
    rootfs: image,
    resolvConf: 'nameserver 192.0.2.1\n',
  });
  assert.equal(stdout, 'nameserver 192.0.2.1\n');
  assert.equal(readFileSync(outside, 'utf8'), 'sentinel');
});

test('network none has a loopback and nothing else', { skip: SKIP }, async () => {
  const command = 'ls /sys/class/net; cat /etc/resolv.conf; ifconfig lo | grep -o "UP LOOPBACK"';
  const { stdout } = await run(command, { network: 'none' });
  const [interfaces, state] = [stdout.split('\n').slice(0, -2), stdout.split('\n').at(-2)];
  // A sysfs of the host shows the host's interfaces, whether they can be used or not.
  assert.ok(interfaces.includes('lo'));
  assert.equal(state, 'UP LOOPBACK');
  const routes = await run('wc -l </proc/net/route', { network: 'none' });
  assert.equal(routes.stdout, '1\n');
});

/** Where every id is mapped, none is bad: this one is for the ordinary user's run of the file. */
const UNMAPPED = [
  ['user', { user: { uid: 4294967294, gid: 0, groups: [] } }, /^Cannot become user/],
] as const;
for (const [failing, spec, message] of [
  ['working directory', { cwd: '/nosuch' }, /^Cannot enter working directory "\/nosuch"/],
  ['root', { rootfs: join(work, 'nosuch') }, /^Cannot open root/],
  ...(REAL_ROOT ? [] : UNMAPPED),
] as const) {
  test(`runCommand() names a bad ${failing}`, { skip: SKIP }, async () => {
    await assert.rejects(run('true', spec), (error) => {
      assert.ok(hasCode(error, 'TSB_SANDBOX'));
      assert.match((error as Error).message, message);
      return true;
    });
  });
}

test('runCommand() names a missing setpriv', { skip: SKIP }, async () => {
  const path = process.env['PATH'];
  process.env['PATH'] = work;
  try {
    await assert.rejects(run('true'), (error) => hasCode(error, 'TSB_MISSING_TOOL'));
  } finally {
    process.env['PATH'] = path;
  }
});

test('runCommand() delivers all output, in order', { skip: SKIP }, async () => {
  const { stdout, stderr } = await run('seq 1 200000; seq 1 100000 >&2');
  const numbers = (count: number): string =>
    `${Array.from({ length: count }, (_, index) => index + 1).join('\n')}\n`;
  assert.equal(stdout, numbers(200000));
  assert.equal(stderr, numbers(100000));
});

test('runCommand() has the command wait for a slow reader', { skip: SKIP }, async () => {
  const progress = join(rootfs, 'tmp/progress');
  let size = 0;
  let early: boolean | undefined;
  const spec = { rootfs, cwd: '/', user: { uid: 0, gid: 0, groups: [] } };
  await runCommand(
    {
      ...spec,
      network: 'host',
      hostname: 'x',
      env: { PATH: '/bin' },
      argv: ['/bin/sh', '-c', 'head -c 2000000 /dev/zero; echo >/tmp/progress'],
    },
    {
      onOutput: async (_stream, chunk) => {
        await sleep(size === 0 ? 200 : 0);
        early ??= existsSync(progress);
        size += chunk.length;
      },
    },
  );
  assert.equal(size, 2000000);
  assert.equal(early, false);
});

test('runCommand() ends when the reader throws', { skip: SKIP }, async () => {
  const token = `30${process.pid}1`;
  const spec = { rootfs, cwd: '/', user: { uid: 0, gid: 0, groups: [] } };
  const failing = runCommand(
    {
      ...spec,
      network: 'host',
      hostname: 'x',
      env: { PATH: '/bin' },
      argv: ['/bin/sh', '-c', `echo hi; sleep ${token}`],
    },
    {
      onOutput: () => {
        throw new Error('reader');
      },
    },
  );
  await assert.rejects(failing, /reader/);
  assert.deepEqual(findProcesses(`sleep ${token}`), []);
});

for (const [reason, stdout] of [
  ['SIGINT', 'int\n'],
  ['SIGTERM', 'term\n'],
] as const) {
  test(`an abort passes ${reason} on and waits`, { skip: SKIP }, async () => {
    const script =
      'trap "echo int; exit 1" INT; trap "echo term; exit 1" TERM; echo up; sleep 60 & wait';
    const { lines } = await interrupt(script, reason);
    assert.equal(lines, `up\n${stdout}`);
  });
}

test('an abort kills what does not listen', { skip: SKIP }, async () => {
  const token = `31${process.pid}2`;
  const script = `trap "" TERM; (trap "" TERM; setsid sleep ${token}) & echo up; sleep ${token}`;
  const { elapsedMs } = await interrupt(script, 'SIGTERM');
  assert.ok(elapsedMs >= RUN_GRACE_MS && elapsedMs < RUN_GRACE_MS + 2000, `${elapsedMs}`);
  assert.deepEqual(findProcesses(`sleep ${token}`), []);
});

/** Aborts a command when its first output has come. */
async function interrupt(
  script: string,
  reason: string,
): Promise<{ lines: string; elapsedMs: number }> {
  const abort = new AbortController();
  let lines = '';
  let start = 0;
  const running = runCommand(
    {
      rootfs,
      cwd: '/',
      network: 'host',
      hostname: 'x',
      env: { PATH: '/bin' },
      user: { uid: 0, gid: 0, groups: [] },
      argv: ['/bin/sh', '-c', script],
    },
    {
      signal: abort.signal,
      onOutput: (_stream, chunk) => {
        if (lines === '') {
          start = performance.now();
          abort.abort(reason);
        }
        lines += chunk.toString();
      },
    },
  );
  await assert.rejects(running, (error) => hasCode(error, 'TSB_INTERRUPTED'));
  return { lines, elapsedMs: performance.now() - start };
}

test('no process of a RUN outlives it', { skip: SKIP }, async () => {
  const token = `32${process.pid}3`;
  await run(`(setsid sleep ${token} >/dev/null 2>&1 &) ; sleep ${token} & true`);
  assert.deepEqual(findProcesses(`sleep ${token}`), []);
});

test('runCommand() leaves no mount and no descriptor', { skip: SKIP }, async () => {
  await run('true');
  const state = (): string[] => [
    readFileSync('/proc/self/mountinfo', 'utf8'),
    ...readdirSync('/proc/self/fd'),
  ];
  const before = state();
  await run('true');
  await using _unused = prestart();
  await _unused[Symbol.asyncDispose]();
  await sleep(50);
  assert.deepEqual(state(), before);
});

test(
  'a helper sees mounts that are younger than it, and pins no older ones',
  { skip: SKIP },
  async () => {
    const old = join(work, 'older-mount');
    mkdirSync(old);
    mount({ source: 'older-mount', target: old, type: 'tmpfs' });
    const helper = prestart();
    await sleep(300);
    umount2(old);
    assert.deepEqual(findMounts('older-mount'), []);
    const young = join(work, 'younger');
    mkdirSync(young);
    mount({ source: 'none', target: young, type: 'tmpfs' });
    try {
      makeBusyboxRoot(young);
      writeFileSync(join(young, 'sentinel'), 'here');
      const outcome = await run('cat /sentinel', { rootfs: young }, { helper });
      assert.deepEqual(outcome, { ...OK, stdout: 'here' });
    } finally {
      umount2(young);
    }
  },
);

test('SIGKILL of tsbuild ends its RUN within a second', { skip: SKIP }, async () => {
  const token = `33${process.pid}4`;
  const code = `
    const { runCommand } = await import(${JSON.stringify(new URL('run.js', import.meta.url).href)});
    await runCommand(${JSON.stringify({
      rootfs,
      cwd: '/',
      network: 'host',
      hostname: 'x',
      env: { PATH: '/bin' },
      user: { uid: 0, gid: 0, groups: [] },
      argv: ['/bin/sh', '-c', `(setsid sleep ${token} &) ; sleep ${token}`],
    })});`;
  const main = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: 'ignore' });
  const two = (): true | undefined =>
    findProcesses(`sleep ${token}`).length >= 2 ? true : undefined;
  await waitFor('the command', two, 10_000);
  const before = findMounts(rootfs);
  assert.notDeepEqual(before, []);
  main.kill('SIGKILL');
  const none = (): true | undefined =>
    findProcesses(`sleep ${token}`).length === 0 ? true : undefined;
  await waitFor('the end of the command', none, 1000);
  await waitFor(
    'the end of its mounts',
    () => (findMounts(rootfs).length === 0 ? true : undefined),
    1000,
  );
});
