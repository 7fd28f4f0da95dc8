import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, linkSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import test from 'node:test';
import { TestBuilds } from '../testing/builds.js';
import { requires } from '../testing/requires.js';

/** Name, Buildfile after FROM scratch, files of the image without what `known` lists. */
const CASES: readonly (readonly [name: string, text: string, want: readonly string[]])[] = [
  ['a file to a name', 'COPY a.txt /b.txt', ['/b.txt 644 0:0 "a"']],
  ['a file into a directory', 'COPY a.txt /d/', ['/d 755 0:0 dir', '/d/a.txt 644 0:0 "a"']],
  ['a file to a dot', 'WORKDIR /w\nCOPY a.txt .', ['/w 755 0:0 dir', '/w/a.txt 644 0:0 "a"']],
  [
    'a file into a directory that exists',
    'COPY a.txt /d/\nCOPY b.txt /d',
    ['/d 755 0:0 dir', '/d/a.txt 644 0:0 "a"', '/d/b.txt 644 0:0 "b"'],
  ],
  [
    'a directory: its contents',
    'COPY dir /d',
    ['/d 755 0:0 dir', '/d/sub 700 0:0 dir', '/d/sub/x 755 0:0 "x"', '/d/up 777 0:0 -> ../a.txt'],
  ],
  [
    'a wildcard',
    'COPY *.txt /d/',
    ['/d 755 0:0 dir', '/d/a.txt 644 0:0 "a"', '/d/b.txt 644 0:0 "b"'],
  ],
  ['a wildcard in a directory', 'COPY d?r/s*/x /', ['/x 755 0:0 "x"']],
  [
    'a wildcard that matches nothing beside a file',
    'COPY a.txt *.none /d/',
    ['/d 755 0:0 dir', '/d/a.txt 644 0:0 "a"'],
  ],
  ['.. clipped at the root of the context', 'COPY ../../a.txt /', ['/a.txt 644 0:0 "a"']],
  ['a link to a file, followed', 'COPY link.lnk /l', ['/l 644 0:0 "a"']],
  ['through a link to a directory', 'COPY dirlink/sub/x /', ['/x 755 0:0 "x"']],
  [
    '--chown with numbers',
    'COPY --chown=5:6 a.txt /d/',
    ['/d 755 5:6 dir', '/d/a.txt 644 5:6 "a"'],
  ],
  ['--chown with a user alone', 'COPY --chown=7 a.txt /', ['/a.txt 644 7:7 "a"']],
  [
    '--chown with names of the image',
    'COPY passwd group /etc/\nCOPY --chown=app:staff a.txt /',
    ['/a.txt 644 1000:50 "a"'],
  ],
  ['--chmod with a number', 'COPY --chmod=4711 a.txt /', ['/a.txt 4711 0:0 "a"']],
  [
    '--chmod with symbols, directories too',
    'COPY --chmod=go=rX dir/sub /s/sub/\nCOPY --chmod=go=rX dir /d',
    [
      '/d 755 0:0 dir',
      '/d/sub 755 0:0 dir',
      '/d/sub/x 755 0:0 "x"',
      '/d/up 777 0:0 -> ../a.txt',
      '/s 755 0:0 dir',
      '/s/sub 755 0:0 dir',
      '/s/sub/x 755 0:0 "x"',
    ],
  ],
  [
    'a heredoc',
    'ENV N=1\nCOPY <<A <<"B" /h/\nn=$N\nA\nn=$N\nB',
    ['/h 755 0:0 dir', '/h/A 644 0:0 "n=1\\n"', '/h/B 644 0:0 "n=$N\\n"'],
  ],
  ['over a file', 'COPY a.txt /f\nCOPY b.txt /f', ['/f 644 0:0 "b"']],
  [
    'into a link of the image, which leads nowhere but inside',
    'COPY links /\nCOPY a.txt /out/',
    [
      ...['/dangling 777 0:0 -> ../gone/x', '/out 777 0:0 -> ../../inside'],
      ...['/inside 755 0:0 dir', '/inside/a.txt 644 0:0 "a"', '/tofile 777 0:0 -> /f'],
    ],
  ],
  [
    'over a link of the image: to where it leads, the link stays',
    'COPY a.txt /f\nCOPY links /\nCOPY b.txt /tofile\nCOPY b.txt /dangling',
    [
      ...['/dangling 777 0:0 -> ../gone/x', '/f 644 0:0 "b"', '/gone 755 0:0 dir'],
      ...['/gone/x 644 0:0 "b"'],
      ...['/out 777 0:0 -> ../../inside', '/tofile 777 0:0 -> /f'],
    ],
  ],
  ['--link', 'COPY --link a.txt /l/', ['/l 755 0:0 dir', '/l/a.txt 644 0:0 "a"']],
];

function fill(builds: TestBuilds): void {
  builds.files({
    'a.txt': 'a',
    'b.txt': 'b',
    'dir/sub/x': 'x',
    passwd: 'app:x:1000:1000::/:\n',
    group: 'staff:x:50:\n',
    'links/keep': '',
  });
  chmodSync(path.join(builds.context, 'dir/sub'), 0o700);
  chmodSync(path.join(builds.context, 'dir/sub/x'), 0o755);
  symlinkSync('../a.txt', path.join(builds.context, 'dir/up'));
  symlinkSync('/a.txt', path.join(builds.context, 'link.lnk'));
  symlinkSync('dir', path.join(builds.context, 'dirlink'));
  symlinkSync('../../inside', path.join(builds.context, 'links/out'));
  symlinkSync('/f', path.join(builds.context, 'links/tofile'));
  symlinkSync('../gone/x', path.join(builds.context, 'links/dangling'));
}

const IGNORED = [/^\/etc( |\/)/, /^\/keep /];

for (const [name, text, want] of CASES) {
  test(`COPY of ${name}`, async (t) => {
    const builds = await TestBuilds.create(t);
    fill(builds);
    await builds.build(`FROM scratch\n${text}\n`);
    const found = (await builds.tree()).filter((line) => !IGNORED.some((each) => each.test(line)));
    assert.deepEqual(found.sort(), [...want].sort());
  });
}

const REFUSED: readonly (readonly [name: string, text: string, message: RegExp, hint?: RegExp])[] =
  [
    ['a missing source', 'COPY a.tx /', /Cannot copy "a.tx": not found/, /Did you mean "a.txt"/],
    ['a missing directory', 'COPY dirr/sub /', /"dirr\/sub": not found/, /Did you mean "dir"/],
    ['an ignored source', 'COPY secret /', /"secret": not found/, /leaves it out/],
    ['a link out of the context', 'COPY escape /', /"escape": not found/, /symbolic link/],
    [
      'a file of a directory link out',
      'COPY outdir/passwd /',
      /"outdir\/passwd": not found/,
      /^"outdir" is a symbolic link to "\/etc", which is not in/,
    ],
    [
      'a file that a directory link inside does not have',
      'COPY dirlink/passwd /',
      /"dirlink\/passwd": not found/,
      /^"dirlink" is a symbolic link to "dir", which was looked for in the build context$/,
    ],
    ['a pattern that leads out', 'COPY ../etc/pass* /', /not found/, /this is "etc\/pass\*" in it/],
    [
      'a path that leads out',
      'COPY ../../outdi/x /',
      /"\.\.\/\.\.\/outdi\/x": not found/,
      /^"\.\." does not lead out of the build context: this is "outdi\/x" in it/,
    ],
    ['a misspelt name behind ..', 'COPY dir/../a.tx /', /not found/, /Did you mean "a.txt"/],
    ['an unknown user', 'COPY --chown=nobody a.txt /', /Cannot find user "nobody"/],
    ['a bad mode', 'COPY --chmod=9 a.txt /', /--chmod="9"/],
    ['several files to a name', 'COPY *.txt /f', /several sources to "\/f"/, /Write \/f\//],
    ['a file over a directory', 'COPY dir /d\nCOPY file-sub/sub /d/', /a file to "\/d\/sub"/],
    ['a directory over a file', 'COPY file-sub /d\nCOPY dir /d', /a directory to "\/d\/sub"/],
    ['below a file', 'COPY a.txt /f\nCOPY a.txt /f/x', /Cannot copy .*"\/f/],
  ];
for (const [name, text, message, hint] of REFUSED) {
  test(`COPY refuses ${name}`, async (t) => {
    const builds = await TestBuilds.create(t);
    fill(builds);
    builds.files({ secret: 's', '.dockerignore': 'secret\n', 'file-sub/sub': '' });
    symlinkSync('/etc/passwd', path.join(builds.context, 'escape'));
    symlinkSync('/etc', path.join(builds.context, 'outdir'));
    await assert.rejects(builds.build(`FROM scratch\n${text}\n`), (error) => {
      assert(error instanceof Error && message.test(error.message), String(error));
      assert('source' in error && error.source !== undefined, 'it has a position');
      if (hint !== undefined) assert('hint' in error && hint.test(String(error.hint)));
      return true;
    });
  });
}

test('COPY leaves out what .dockerignore names, and keeps exceptions', async (t) => {
  const builds = await TestBuilds.create(t);
  builds.files({
    '.dockerignore': '*\n!keep\n!deep/in/yes\n',
    keep: 'k',
    drop: 'd',
    'deep/in/yes': 'y',
    'deep/in/no': 'n',
    'deep/other/no': 'n',
  });
  await builds.build('FROM scratch\nCOPY . /\n');
  assert.deepEqual(await builds.tree(), [
    '/deep 755 0:0 dir',
    '/deep/in 755 0:0 dir',
    '/deep/in/yes 644 0:0 "y"',
    '/keep 644 0:0 "k"',
  ]);
});

test('COPY --from takes files of a stage as they are, owners too', async (t) => {
  const builds = await TestBuilds.create(t);
  fill(builds);
  await builds.build(
    [
      'FROM scratch AS src',
      'COPY --chown=3:4 dir /dir',
      'COPY a.txt /dir/a.txt',
      'FROM scratch',
      'COPY --from=src /dir /d',
      'COPY --from=0 --chown=9 /dir/a.txt /up',
    ].join('\n'),
  );
  assert.deepEqual(await builds.tree(), [
    '/d 755 0:0 dir',
    '/d/a.txt 644 0:0 "a"',
    '/d/sub 700 3:4 dir',
    '/d/sub/x 755 3:4 "x"',
    '/d/up 777 3:4 -> ../a.txt',
    '/up 644 9:9 "a"',
  ]);
});

test('COPY keeps hard links within a source, not between sources', async (t) => {
  const builds = await TestBuilds.create(t);
  builds.files({ 'd/one': 'x' });
  linkSync(path.join(builds.context, 'd/one'), path.join(builds.context, 'd/two'));
  const copies = [
    'COPY d /d',
    'COPY d/one d/two /e/',
    'COPY --from=0 /d /d',
    'COPY --from=0 /d/* /e/',
  ];
  for (const text of [
    `FROM scratch\n${copies.slice(0, 2).join('\n')}\n`,
    `FROM scratch\nCOPY d /d\nFROM scratch\n${copies.slice(2).join('\n')}\n`,
  ]) {
    await builds.build(text);
    assert.deepEqual(await builds.linkCounts(), {
      '/d/one': 2,
      '/d/two': 2,
      '/e/one': 1,
      '/e/two': 1,
    });
  }
  const linked = await builds.build('FROM scratch\nCOPY d /d\n');
  assert.deepEqual(builds.outcomes(linked), ['cached']);
  rmSync(path.join(builds.context, 'd/two'));
  builds.files({ 'd/two': 'x' });
  const separate = await builds.build('FROM scratch\nCOPY d /d\n');
  assert.deepEqual(builds.outcomes(separate), ['what is copied changed']);
});

test('an empty directory is copied', async (t) => {
  const builds = await TestBuilds.create(t);
  mkdirSync(path.join(builds.context, 'tree/empty'), { recursive: true });
  await builds.build('FROM scratch\nCOPY tree /t\n');
  assert.deepEqual(await builds.tree(), ['/t 755 0:0 dir', '/t/empty 755 0:0 dir']);
});

test('COPY takes the capabilities of a file of the context, and no other attribute', async (t) => {
  if (!requires(t, 'root', 'program:setfattr')) return;
  const builds = await TestBuilds.create(t);
  builds.files({ tool: 'x', plain: 'y' });
  const file = path.join(builds.context, 'tool');
  const capability = '0x0100000200040000000000000000000000000000';
  const set = (name: string, value: string): unknown =>
    execFileSync('setfattr', ['-n', name, '-v', value, file]);
  set('security.capability', capability);
  set('user.note', 'of this machine');
  const staged = 'FROM scratch\nCOPY . /\nFROM scratch\nCOPY --from=0 /tool /again\n';
  await builds.build(staged);
  assert.deepEqual(await builds.xattrNames(), { '/again': ['security.capability'] });
  const again = await builds.build(staged);
  assert.deepEqual(builds.outcomes(again), ['cached', 'cached']);
  execFileSync('setfattr', ['-x', 'security.capability', file]);
  const without = await builds.build(staged);
  assert.equal(builds.outcomes(without)[0], 'what is copied changed');
  assert.deepEqual(await builds.xattrNames(), {});
});

test('COPY makes an empty file of a socket', async (t) => {
  const builds = await TestBuilds.create(t);
  mkdirSync(path.join(builds.context, 'd'));
  const server = createServer();
  server.listen(path.join(builds.context, 'd/s'));
  await once(server, 'listening');
  chmodSync(path.join(builds.context, 'd/s'), 0o640);
  await builds.build('FROM scratch\nCOPY d /d\nCOPY d/s /x\n');
  server.close();
  assert.deepEqual(await builds.tree(), ['/d 755 0:0 dir', '/d/s 640 0:0 ""', '/x 640 0:0 ""']);
});

test('COPY to a variable that is empty copies to the working directory', async (t) => {
  const builds = await TestBuilds.create(t);
  fill(builds);
  await builds.build('FROM scratch\nENV empty=""\nWORKDIR /w\nCOPY --link a.txt $empty\n');
  assert.deepEqual(await builds.tree(), ['/w 755 0:0 dir', '/w/a.txt 644 0:0 "a"']);
});
