import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import test from 'node:test';
import { gzipSync } from 'node:zlib';
import { requires } from '../testing/requires.js';
import { archive } from '../testing/tar-archive.js';
import type { ArchiveEntry } from '../testing/tar-archive.js';
import { TestBuilds } from '../testing/builds.js';

const ENTRIES: readonly ArchiveEntry[] = [
  { name: 'top/', typeflag: '5', mode: 0o750, uid: 3, gid: 4 },
  { name: './top/file', mode: 0o640, uid: 5, gid: 6, data: 'content' },
  { name: 'top/hard', typeflag: '1', linkname: 'top/file' },
  { name: 'top/soft', typeflag: '2', linkname: '../../etc/passwd' },
  { name: '/implied/dir/x', data: 'x' },
];
const UNPACKED = [
  '/a 755 0:0 dir',
  '/a/implied 755 0:0 dir',
  '/a/implied/dir 755 0:0 dir',
  '/a/implied/dir/x 644 0:0 "x"',
  '/a/top 750 3:4 dir',
  '/a/top/file 640 5:6 "content"',
  '/a/top/hard 640 5:6 "content"',
  '/a/top/soft 777 0:0 -> ../../etc/passwd',
];
const SOFT: Partial<ArchiveEntry> = { mode: 0o777 };
const TAR = archive(
  ENTRIES.map((entry) => (entry.typeflag === '2' ? { ...entry, ...SOFT } : entry)),
);

const compressed = (program: string): Buffer => execFileSync(program, ['-c'], { input: TAR });
const FORMS: readonly (readonly [name: string, make: () => Buffer, program: string | undefined])[] =
  [
    ['a plain archive', () => TAR, undefined],
    ['gzip', () => gzipSync(TAR), undefined],
    ['bzip2', () => compressed('bzip2'), 'bzip2'],
    ['xz', () => compressed('xz'), 'xz'],
    ['zstd', () => compressed('zstd'), 'zstd'],
  ];
for (const [name, make, program] of FORMS) {
  test(`ADD unpacks ${name}, whatever it is called`, async (t) => {
    if (program !== undefined && !requires(t, `program:${program}`)) return;
    const builds = await TestBuilds.create(t);
    builds.files({ data: make() });
    await builds.build('FROM scratch\nADD data /a\n');
    assert.deepEqual(await builds.tree(), UNPACKED);
  });
}

test('ADD copies what is no archive, and COPY never unpacks', async (t) => {
  const builds = await TestBuilds.create(t);
  builds.files({ 'text.tar': 'no archive', 'real.tar': archive([]), 'not.gz': gzipSync('text') });
  await builds.build('FROM scratch\nADD text.tar /d/\nCOPY text.tar /e\nADD not.gz /d/\n');
  const names = (await builds.tree()).map((line) => line.split(' ')[0]);
  assert.deepEqual(names, ['/d', '/d/not.gz', '/d/text.tar', '/e']);
});

test('ADD --chown gives everything that it unpacks an owner, and not --chmod a mode', async (t) => {
  const builds = await TestBuilds.create(t);
  builds.files({
    data: archive([
      { name: 'd/f', uid: 9, gid: 9, data: 'x' },
      { name: 'e/', typeflag: '5', mode: 0o711, uid: 9, gid: 9 },
    ]),
  });
  await builds.build('FROM scratch\nADD --chown=7:8 --chmod=600 --exclude=d data /t\n');
  // The archive says nothing of d.
  assert.deepEqual(await builds.tree(), [
    '/t 755 7:8 dir',
    '/t/d 755 0:0 dir',
    '/t/d/f 644 7:8 "x"',
    '/t/e 711 7:8 dir',
  ]);
  const warnings = builds.events.flatMap((event) =>
    event.kind === 'warning' ? [event.warning.message] : [],
  );
  assert.deepEqual(
    warnings.map((message) => message.split(' ')[0]),
    ['--chmod', '--exclude'],
  );
});

test('ADD --unpack=false keeps an archive, --unpack is what ADD does', async (t) => {
  const builds = await TestBuilds.create(t);
  builds.files({ 'data.tar': archive([{ name: 'f', data: 'x' }]) });
  const text = 'FROM scratch\nADD --unpack=false data.tar /a/\nADD --unpack data.tar /b/\n';
  await builds.build(text.replace('false', 'true'));
  const other = await builds.build(text);
  assert.notEqual(builds.outcomes(other)[0], 'cached');
  const names = (await builds.tree()).map((line) => line.split(' ')[0]);
  assert.deepEqual(names, ['/a', '/a/data.tar', '/b', '/b/f']);
});

test('ADD follows a link inside the destination alone', async (t) => {
  const builds = await TestBuilds.create(t);
  const link = (name: string, linkname: string): ArchiveEntry => ({
    ...{ name, linkname, typeflag: '2', mode: 0o777 },
  });
  builds.files({
    data: archive([
      link('up', '../../../../../../tmp'),
      { name: 'up/tsbuild-add-archive-test', data: 'x' },
      link('lib', '/usr/lib'),
      { name: 'lib/libc', data: 'c' },
      { name: 'lib/sub/../libm', data: 'm' },
    ]),
    'usr/lib/of-image': '',
  });
  await builds.build('FROM scratch\nCOPY usr /usr\nADD data /a/\n');
  const files = (await builds.tree()).map((line) => line.split(' ')[0]);
  assert.deepEqual(files, [
    ...['/a', '/a/lib', '/a/tmp', '/a/tmp/tsbuild-add-archive-test', '/a/up'],
    ...['/a/usr', '/a/usr/lib', '/a/usr/lib/libc', '/a/usr/lib/libm'],
    ...['/usr', '/usr/lib', '/usr/lib/of-image'],
  ]);
});

test('ADD replaces files with directories of the archive, and directories with files', async (t) => {
  const builds = await TestBuilds.create(t);
  builds.files({
    'old/f/x': 'x',
    'old/d': 'd',
    data: archive([
      { name: 'f', data: 'f' },
      { name: 'd/', typeflag: '5', mode: 0o700, mtime: 5 },
      { name: 'd/e/', typeflag: '5', mode: 0o700, mtime: 6 },
      { name: 'd', data: 'a file after all', mtime: 7 },
      { name: 'g/', typeflag: '5', mode: 0o700, mtime: 8 },
      { name: 'g/h', data: 'h', mtime: 9 },
      { name: 'g/', typeflag: '5', mode: 0o755, mtime: 10 },
    ]),
  });
  await builds.build('FROM scratch\nCOPY old /a\nADD data /a\n');
  assert.deepEqual((await builds.tree()).slice(1), [
    '/a/d 644 0:0 "a file after all"',
    '/a/f 644 0:0 "f"',
    '/a/g 755 0:0 dir',
    '/a/g/h 644 0:0 "h"',
  ]);
  const { '/a/d': file, '/a/g': dir } = await builds.mtimes();
  assert.deepEqual([file, dir], [7, 10]);
});

test('ADD unpacks devices, FIFOs and attributes, whoever builds', async (t) => {
  const builds = await TestBuilds.create(t);
  const capability = 'SCHILY.xattr.security.capability';
  builds.files({
    data: archive([
      { name: 'c', typeflag: '3', mode: 0o620, uid: 0, gid: 5, devmajor: 1, devminor: 3 },
      { name: 'b', typeflag: '4', mode: 0o660, devmajor: 8, devminor: 0 },
      { name: 'p', typeflag: '6', mode: 0o644 },
      { name: 'f', data: 'x', pax: { [capability]: Buffer.from([1, 0, 0, 2]) } },
      { name: 'g', typeflag: 'g', data: '' },
    ]),
  });
  await builds.build('FROM scratch\nADD data /\n');
  assert.deepEqual(await builds.tree(), [
    '/b 660 0:0 blk',
    '/c 620 0:5 chr',
    '/f 644 0:0 "x"',
    '/p 644 0:0 fifo',
  ]);
  assert.deepEqual(await builds.xattrNames(), { '/f': ['security.capability'] });
});

test('ADD of an archive to a file is refused', async (t) => {
  const builds = await TestBuilds.create(t);
  builds.files({ f: '', data: archive([{ name: 'x', data: 'x' }]) });
  const text = 'FROM scratch\nCOPY f /f\nADD data /f\n';
  await assert.rejects(builds.build(text), /a directory to "\/f": found a file/);
});

const HOSTILE: readonly (readonly [name: string, entries: ArchiveEntry[], message: RegExp])[] = [
  ['a path that leads out', [{ name: '../x', data: 'x' }], /"\.\.\/x": it leads out/],
  ['a path that leads out later', [{ name: 'a/../../x' }], /it leads out/],
  [
    'a file that is cut off',
    [{ name: 'f', size: 1_000_000 }],
    /Cannot unpack "data": Unexpected end/,
  ],
  [
    'too long a name',
    [{ name: 'x', pax: { path: Buffer.from('n'.repeat(300)) } }],
    /"n{80}…": found a name of 300 bytes/,
  ],
  ['a name of a whiteout', [{ name: '.wh.x', data: 'x' }], /".wh.x": found ".wh."/],
  ['a name of a whiteout above', [{ name: 'a/.wh..wh..opq/x', data: 'x' }], /means a deletion/],
  ['a hard link out', [{ name: 'h', typeflag: '1', linkname: '../etc/passwd' }], /it leads out/],
  ['a hard link to nothing', [{ name: 'h', typeflag: '1', linkname: 'no' }], /hard link to "no"/],
  [
    'a hard link to nothing in nothing',
    [{ name: 'h', typeflag: '1', linkname: 'no/no' }],
    /hard link to "no\/no"/,
  ],
  [
    'a hard link through a file',
    [
      { name: 'f', data: 'x' },
      { name: 'h', typeflag: '1', linkname: 'f/x' },
    ],
    /file on the way|hard link to "f\/x"/,
  ],
  [
    'a path through a loop',
    [
      { name: 'l', typeflag: '2', linkname: 'l' },
      { name: 'l/x', data: 'x' },
    ],
    /a loop of symbolic links/,
  ],
];
for (const [name, entries, message] of HOSTILE) {
  test(`ADD refuses an archive with ${name}`, async (t) => {
    const builds = await TestBuilds.create(t);
    builds.files({ data: archive(entries) });
    await assert.rejects(builds.build('FROM scratch\nADD data /a/\n'), message);
  });
}
