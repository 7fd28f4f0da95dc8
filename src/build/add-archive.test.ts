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

test('ADD --chown gives everything that it unpacks an owner', async (t) => {
  const builds = await TestBuilds.create(t);
  builds.files({ data: archive([{ name: 'd/f', uid: 9, gid: 9, data: 'x' }]) });
  await builds.build('FROM scratch\nADD --chown=7:8 data /\n');
  assert.deepEqual(await builds.tree(), ['/d 755 7:8 dir', '/d/f 644 7:8 "x"']);
});

test('ADD follows a link of the archive inside the image alone', async (t) => {
  const builds = await TestBuilds.create(t);
  builds.files({
    data: archive([
      { name: 'out', typeflag: '2', mode: 0o777, linkname: '../../../../../../tmp' },
      { name: 'out/tsbuild-add-archive-test', data: 'x' },
    ]),
  });
  await builds.build('FROM scratch\nADD data /a/\n');
  assert.deepEqual((await builds.tree()).slice(2), [
    '/tmp 755 0:0 dir',
    '/tmp/tsbuild-add-archive-test 644 0:0 "x"',
  ]);
});

const HOSTILE: readonly (readonly [name: string, entries: ArchiveEntry[], message: RegExp])[] = [
  ['a path that leads out', [{ name: '../x', data: 'x' }], /"\.\.\/x": it leads out/],
  ['a path that leads out later', [{ name: 'a/../../x' }], /it leads out/],
  ['a hard link out', [{ name: 'h', typeflag: '1', linkname: '../etc/passwd' }], /it leads out/],
  ['a hard link to nothing', [{ name: 'h', typeflag: '1', linkname: 'no' }], /hard link to "no"/],
];
for (const [name, entries, message] of HOSTILE) {
  test(`ADD refuses an archive with ${name}`, async (t) => {
    const builds = await TestBuilds.create(t);
    builds.files({ data: archive(entries) });
    await assert.rejects(builds.build('FROM scratch\nADD data /a/\n'), message);
  });
}
