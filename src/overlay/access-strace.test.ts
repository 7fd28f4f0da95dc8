import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';

import { BUSYBOX, makeBusyboxRoot } from '../testing/busybox-root.js';
import { runSteps } from '../testing/mounted.js';
import { LayerFixture } from '../testing/overlay-fixture.js';
import { requires } from '../testing/requires.js';
import { STRACE, readStrace } from '../testing/strace.js';
import { ACCESS, accessNames, accessedPaths, type AccessRecord } from './access-record.js';

/** What real programs do; each in a root of its own, below which everything is lower. */
const PROGRAMS: readonly [string, string][] = [
  ['reads', 'cat /data/a /data/empty; head -c 1 /data/b >/dev/null; wc -l < /data/sub/c'],
  ['looks for what is missing', 'cat /none /data/none/x /data/a/x; ls /data/link-to-none'],
  ['asks', 'test -r /data/a; test -x /data/b; test -e /data/empty; test -d /data/sub'],
  ['lists', 'ls /data; ls -l /data/sub; ls -a /data/link-to-sub/; find /data -type l'],
  ['finds everything', 'find /data /etc -newer /data/a; du -a /data'],
  ['searches', 'grep -r text /data; md5sum /data/a /data/sub/c; diff /data/a /data/b'],
  [
    'follows links',
    'readlink /data/link-to-sub; cat /data/link-to-a; realpath /data/link-to-sub/c',
  ],
  ['works in a directory', 'cd /data/sub; cat c; cat ../a; ls ..; cd ..; stat sub/c; pwd -P'],
  ['archives', 'tar cf /tmp/t.tar /data /etc; tar xf /tmp/t.tar -C /tmp; cat /tmp/data/a'],
  ['copies', 'cp -a /data /copy; cp /data/a /data/copied; cat /copy/sub/c /data/copied'],
  [
    'moves a directory',
    'mv /data /moved; cat /moved/a; ls -l /moved/sub; cat /moved/none; ls /data',
  ],
  ['moves files', 'mv /data/a /data/sub/a; cat /data/sub/a; mv /data/b /data/sub/c; cat /data/b'],
  ['uses hard links', 'cat /data/hard1; stat /data/sub/hard2; cat /data/sub/hard2; rm /data/hard1'],
  ['changes', 'echo x >> /data/a; sed -i s/t/u/ /data/b; chmod 600 /data/sub/c; touch /data/empty'],
  [
    'removes',
    'rm -r /data/sub; mkdir /data/sub; echo x > /data/sub/c; cat /data/sub/*; rmdir /etc',
  ],
  ['runs programs', 'cp /bin/busybox /data/bb; /data/bb true; /data/script; PATH=/data script'],
  ['uses a pipe of programs', 'find /data -type f | xargs cat | sort | uniq -c'],
  ['makes links', 'ln /data/a /data/ln; ln -s a /data/sym; cat /data/sym; stat /data/ln'],
];

function makeRoot(dir: string): void {
  makeBusyboxRoot(dir);
  const data = path.join(dir, 'data');
  fs.mkdirSync(path.join(data, 'sub'), { recursive: true });
  for (const name of ['a', 'b', 'sub/c', 'hard1'])
    fs.writeFileSync(path.join(data, name), 'text\n');
  fs.writeFileSync(path.join(data, 'empty'), '');
  fs.writeFileSync(path.join(data, 'script'), '#!/bin/sh\ncat /data/a\n', { mode: 0o755 });
  fs.linkSync(path.join(data, 'hard1'), path.join(data, 'sub/hard2'));
  fs.symlinkSync('a', path.join(data, 'link-to-a'));
  fs.symlinkSync('/data/sub', path.join(data, 'link-to-sub'));
  fs.symlinkSync('none', path.join(data, 'link-to-none'));
}

/** What strace shows and the record lacks. */
function missing(record: AccessRecord, used: ReadonlyMap<string, number>): string[] {
  const recorded = new Map<string, number>(accessedPaths(record));
  const lacks: string[] = [];
  for (const [file, access] of used) {
    const got = recorded.get(file);
    // A listing shows names: that one is there needs no lookup.
    const isListed = ((recorded.get(path.posix.dirname(file)) ?? 0) & ACCESS.list) !== 0;
    if (got === undefined && access === 0 && isListed) continue;
    const lacking = access & ~(got ?? 0);
    if (got === undefined || lacking !== 0) {
      lacks.push(`${file} ${accessNames(access).join()}: ${accessNames(got ?? 0).join()}`);
    }
  }
  return lacks;
}

test('AccessRecorder misses nothing that strace sees', async (t) => {
  const programs = ['program:strace', 'program:unshare', 'program:prlimit'] as const;
  if (!requires(t, 'root', 'fuse', 'program:busybox', ...programs)) return;
  const fixture = new LayerFixture(t);
  const lowerdir = path.join(fixture.root, 'lower');
  fs.mkdirSync(lowerdir);
  makeRoot(lowerdir);
  const steps = PROGRAMS.map(([, script], i) => {
    const mountpoint = path.join(fixture.root, `mnt${i}`);
    fs.mkdirSync(mountpoint);
    const strace = [...STRACE, '-o', path.join(fixture.root, `strace${i}`)].join(' ');
    // On the host's busybox: its own files are not of the mount.
    const command = `${strace} ${BUSYBOX} chroot '${mountpoint}' /bin/sh -c "$SCRIPT" 2>&1`;
    return {
      mount: {
        lowers: [{ kind: 'plain' as const, dir: lowerdir }],
        layerDirs: {},
        upperdir: path.join(fixture.root, `upper${i}`),
        mountpoint,
        record: true,
      },
      script: `cd /; export SCRIPT='${script}' PATH=/bin:/usr/bin:/sbin; ${command} || true`,
      end: 'commit' as const,
    };
  });
  const results = await runSteps(steps);
  const totals = { used: 0, recorded: 0, over: 0, overStat: 0 };
  for (const [i, [name]] of PROGRAMS.entries()) {
    await t.test(`when a program ${name}`, () => {
      const { report, error, output } = results[i] ?? {};
      assert.equal(error, undefined);
      const record = report?.accesses;
      assert.ok(record, output);
      const trace = fs.readFileSync(path.join(fixture.root, `strace${i}`), 'latin1');
      const traced = { mountpoint: path.join(fixture.root, `mnt${i}`), lowerdir };
      const used = readStrace(trace, traced);
      assert.ok(used.size > 3, trace);
      assert.deepEqual(missing(record, used), []);
      const paths = [...accessedPaths(record)].filter(([file]) => file !== '/');
      totals.used += used.size;
      totals.recorded += paths.length;
      totals.over += paths.filter(([file]) => !used.has(file)).length;
      // The kernel looks at the attributes of each directory on a path.
      const isStat = (access = 0): boolean => (access & (ACCESS.stat | ACCESS.write)) !== 0;
      totals.overStat += paths.filter(([file, access]) => {
        const isOnPath = [...used.keys()].some((each) => each.startsWith(`${file}/`));
        return isStat(access) && !isStat(used.get(file)) && !isOnPath;
      }).length;
    });
  }
  t.diagnostic(JSON.stringify(totals));
});

/*
 * What the kernel answers from what it keeps, without a request: statx(2) with
 * AT_STATX_DONT_SYNC, and with an empty mask.
 */
const CACHED = `
import ctypes, os, struct
libc = ctypes.CDLL(None)
def size(path, flags=0x4100, mask=0x7ff):
  buffer = ctypes.create_string_buffer(256)
  assert libc.statx(-100, path.encode(), flags, mask, buffer) == 0
  return struct.unpack_from('<Q', buffer, 40)[0]
assert size('data/a') == 5; assert size('data/sub/c', mask=0) == 5
os.listdir('data'); assert size('data/b') == 5
names = os.scandir('data/sub'); next(names); assert size('data/sub/hard2') == 5
assert [e.name for e in os.scandir('etc')] and os.path.islink('data/link-to-a')
`;

test('AccessRecorder sees attributes that are taken from the cache', async (t) => {
  if (!requires(t, 'root', 'fuse', 'program:unshare', 'program:prlimit', 'program:python3')) return;
  const fixture = new LayerFixture(t);
  const [lowerdir, mountpoint] = ['lower', 'mnt'].map((name) => path.join(fixture.root, name));
  assert.ok(lowerdir !== undefined && mountpoint !== undefined);
  fs.mkdirSync(lowerdir);
  fs.mkdirSync(mountpoint);
  makeRoot(lowerdir);
  const upperdir = path.join(fixture.root, 'upper');
  const lowers = [{ kind: 'plain', dir: lowerdir }] as const;
  const mount = { lowers, layerDirs: {}, upperdir, mountpoint, record: true };
  const script = `python3 - <<'END'\n${CACHED}\nEND`;
  const [result] = await runSteps([{ mount, script, end: 'commit' }]);
  assert.equal(result?.output, '');
  const { accesses } = result.report ?? {};
  assert.ok(accesses !== undefined);
  const stated = [...accessedPaths(accesses)].filter(([, access]) => (access & ACCESS.stat) !== 0);
  assert.deepEqual(
    stated.map(([file]) => file),
    ['/', '/data', '/data/a', '/data/b', '/data/link-to-a', '/data/sub']
      .concat(['/data/sub/c', '/data/sub/hard2', '/etc'])
      .sort(),
  );
});
