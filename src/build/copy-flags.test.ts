import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, symlinkSync, utimesSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { TestBuilds } from '../testing/builds.js';

/** A tree of packages, with a link and modes that a copy must keep. */
function fill(builds: TestBuilds): void {
  builds.files({
    'package.json': '0',
    'README.md': 'r',
    'packages/a/package.json': 'a',
    'packages/a/src/main.ts': 'am',
    'packages/a/src/main.test.ts': 'at',
    'packages/b/package.json': 'b',
    'packages/b/docs/x.md': 'bx',
    'packages/notes.txt': 'n',
    '!odd': '!',
    'star*': '*',
    'back\\slash': '\\',
  });
  mkdirSync(path.join(builds.context, 'packages/empty'));
  symlinkSync('a', path.join(builds.context, 'packages/link'));
  for (const dir of ['packages', 'packages/a', 'packages/b', 'packages/b/docs', 'packages/a/src']) {
    chmodSync(path.join(builds.context, dir), 0o755);
  }
  chmodSync(path.join(builds.context, 'packages/a'), 0o750);
}

/** Name, Buildfile after FROM scratch, paths of the image (directories end in a slash). */
const PATHS: readonly (readonly [name: string, text: string, want: string])[] = [
  // --parents
  ['a file', 'COPY --parents packages/a/package.json /', '/packages/ /packages/a/ ~package.json'],
  ['of the root', 'COPY --parents package.json /d', '/d/ /d/package.json'],
  [
    'a wildcard',
    'COPY --parents packages/*/package.json .',
    '/packages/ /packages/a/ /packages/a/package.json /packages/b/ /packages/b/package.json',
  ],
  [
    'a pivot',
    'COPY --parents packages/./a/src packages/./b/docs /d/',
    '/d/ /d/a/ /d/a/src/ /d/a/src/main.test.ts /d/a/src/main.ts /d/b/ /d/b/docs/ /d/b/docs/x.md',
  ],
  ['two pivots: the first', 'COPY --parents packages/./b/./docs /d', '/d/ /d/b/ /d/b/docs/ ~x.md'],
  [
    'a pivot behind a wildcard',
    'COPY --parents packages/*/./src /d',
    '/d/ /d/src/ /d/src/main.test.ts /d/src/main.ts',
  ],
  ['any depth', 'COPY --parents **/*.md /d', '/d/ /d/README.md /d/packages/ ~b/ ~docs/ ~x.md'],
  ['a final dot', 'COPY --parents packages/b/docs/. /d', '/d/ /d/packages/ ~b/ ~docs/ ~x.md'],
  ['a leading dot', 'COPY --parents ./packages/b/docs /d', '/d/ /d/packages/ ~b/ ~docs/ ~x.md'],
  ['dots that lead out', 'COPY --parents ../../README.md /d', '/d/ /d/README.md'],
  ['a link: itself', 'COPY --parents packages/link /d', '/d/ /d/packages/ /d/packages/link'],
  ['a pivot through a link', 'COPY --parents packages/link/./src/*n.ts /', '/src/ /src/main.ts'],
  ['an empty directory', 'COPY --parents packages/empty /', '/packages/ /packages/empty/'],
  ['nothing in a directory', 'COPY --parents packages/empty/./ /d', '/d/'],
  ['no match', 'COPY --parents packages/*/none /d', '/d/'],
  ['an exclamation mark', 'COPY --parents !odd /', '/!odd'],
  [
    'and --exclude',
    'COPY --parents --exclude=**/*.test.ts --exclude=packages/b packages/*/src packages/b* /d/',
    '/d/ /d/packages/ /d/packages/a/ /d/packages/a/src/ /d/packages/a/src/main.ts',
  ],
  // --exclude
  [
    'below a directory',
    'COPY --exclude=**/*.ts --exclude=notes.txt --exclude=empty packages /d',
    '/d/ /d/a/ /d/a/package.json /d/a/src/ /d/b/ /d/b/docs/ /d/b/docs/x.md /d/b/package.json ' +
      '/d/link',
  ],
  [
    'with an exception',
    'COPY --exclude=* --exclude=!b/docs packages /d',
    '/d/ /d/b/ /d/b/docs/ /d/b/docs/x.md',
  ],
  [
    'relative to the source',
    'COPY --exclude=packages/a --exclude=a packages/a/src /d',
    '/d/ ~main.test.ts /d/main.ts',
  ],
  ['everything', 'COPY --exclude=* packages /d', '/d/'],
  ['files that a wildcard finds', 'COPY --exclude=*.md *.md *.json /d/', '/d/ /d/package.json'],
  [
    'a file by its path',
    'COPY --exclude=packages/*.txt packages/n* package.json /d/',
    '/d/ ~package.json',
  ],
  ['with ADD', 'ADD --exclude=src --exclude=/package.json packages/a /d', '/d/'],
  // Wildcards.
  [
    'links are not followed by a wildcard',
    'COPY packages/l*/src/*n.ts packages/b /d/',
    '/d/ /d/docs/ ~x.md /d/package.json',
  ],
  ['a class', 'COPY packages/[a-c]/p* package.json /d/', '/d/ /d/package.json'],
  ['an escaped star', 'COPY star[*] /d/', '/d/ /d/star*'],
  [
    'a star behind a backslash',
    'COPY star\\\\* pack*/b /d/',
    '/d/ ~docs/ ~x.md /d/package.json /d/star*',
  ],
  ['a backslash', 'COPY back\\\\slash /d/', '/d/ /d/back\\slash'],
];

for (const [name, text, want] of PATHS) {
  test(`COPY: ${name}: ${text.replaceAll('\n', '; ')}`, async (t) => {
    const builds = await TestBuilds.create(t);
    fill(builds);
    await builds.build(`FROM scratch\n${text}\n`);
    const found = (await builds.tree()).map((line) => {
      const [file = ''] = line.split(' ');
      return line.endsWith(' dir') ? `${file}/` : file;
    });
    assert.deepEqual(found, expand(want));
  });
}

/** `~x` stands below the directory before it. */
function expand(paths: string): string[] {
  const found: string[] = [];
  for (const word of paths.split(' ')) {
    const dir = found.findLast((each) => each.endsWith('/')) ?? '/';
    found.push(word.startsWith('~') ? `${dir}${word.slice(1)}` : word);
  }
  return found;
}

/** Name, Buildfile after FROM scratch, tree. */
const TREES: readonly (readonly [name: string, text: string, want: readonly string[]])[] = [
  [
    '--parents keeps the modes of directories that it makes, and sets those of others',
    'COPY package.json /packages/x/\nCOPY --parents --chown=5:6 packages/a/package.json /',
    [
      '/packages 755 0:0 dir',
      '/packages/a 750 5:6 dir',
      '/packages/a/package.json 644 5:6 "a"',
      '/packages/x 755 0:0 dir',
      '/packages/x/package.json 644 0:0 "0"',
    ],
  ],
  [
    '--chmod reaches the directories above, which --parents makes',
    'COPY --parents --chmod=go= packages/a/package.json /d',
    [
      '/d 755 0:0 dir',
      '/d/packages 700 0:0 dir',
      '/d/packages/a 700 0:0 dir',
      '/d/packages/a/package.json 600 0:0 "a"',
    ],
  ],
  [
    'an octal --chmod is also that of directories on the way',
    'COPY --chmod=4710 package.json /x/y/\nCOPY --chmod=u=rwx package.json /z/',
    [
      '/x 710 0:0 dir',
      '/x/y 710 0:0 dir',
      '/x/y/package.json 4710 0:0 "0"',
      '/z 755 0:0 dir',
      '/z/package.json 744 0:0 "0"',
    ],
  ],
  [
    'a heredoc comes behind paths',
    'COPY <<package.json package.json /d/\nx\npackage.json',
    ['/d 755 0:0 dir', '/d/package.json 644 0:0 "x\\n"'],
  ],
  [
    'a directory that exists keeps its owner and mode',
    'COPY --chown=1:2 --chmod=700 package.json /d/\nCOPY packages/b/docs /d',
    ['/d 700 1:2 dir', '/d/package.json 700 1:2 "0"', '/d/x.md 644 0:0 "bx"'],
  ],
  [
    'a directory below one that exists gets those of the source',
    'COPY --chown=1:2 --chmod=700 package.json /d/docs/\nCOPY packages/b /d',
    [
      '/d 700 1:2 dir',
      '/d/docs 755 0:0 dir',
      '/d/docs/package.json 700 1:2 "0"',
      '/d/docs/x.md 644 0:0 "bx"',
      '/d/package.json 644 0:0 "b"',
    ],
  ],
];

for (const [name, text, want] of TREES) {
  test(`COPY: ${name}`, async (t) => {
    const builds = await TestBuilds.create(t);
    fill(builds);
    await builds.build(`FROM scratch\n${text}\n`);
    assert.deepEqual(await builds.tree(), want);
  });
}

const REFUSED: readonly (readonly [text: string, message: RegExp, hint?: RegExp])[] = [
  ['COPY --parents none /', /Cannot copy "none": not found/],
  ['COPY --parents packages/link/src /', /not found/, /behind a symbolic link/],
  ['COPY --parents packages/./c/package.json /', /"packages\/\.\/c\/package.json": not found/],
  ['COPY --parents packages/a/./non /', /not found in the build context/],
  ['COPY --parents --exclude=**/x.md packages/b/docs/x.md /', /not found/, /--exclude leaves/],
  ['COPY --parents packages/emty /', /not found/, /Did you mean "packages.empty"/],
  ['COPY none/*.txt /', /"none\/\*\.txt": not found/],
  ['COPY <<.. /d/\nx\n..', /found heredoc "..", want the name of a file/],
  ['COPY <<a/b /d/\nx\na/b', /found heredoc "a\/b"/],
  ['COPY package.json /.wh.x', /Cannot copy to "\/.wh.x": found ".wh."/, /Rename the file/],
  ['COPY --exclude=[ packages /', /Cannot match pattern "\["/],
  ['COPY pack[ /', /Cannot match pattern/],
  ['COPY --chmod=u=q package.json /', /--chmod="u=q"/],
  ['ARG M\nCOPY --chmod=${M:-8} package.json /', /--chmod="8"/],
];
for (const [text, message, hint] of REFUSED) {
  test(`COPY refuses ${text.replaceAll('\n', '; ')}`, async (t) => {
    const builds = await TestBuilds.create(t);
    fill(builds);
    await assert.rejects(builds.build(`FROM scratch\n${text}\n`), (error) => {
      assert(error instanceof Error && message.test(error.message), String(error));
      assert('source' in error && error.source !== undefined, 'it has a position');
      if (hint !== undefined) assert('hint' in error && hint.test(String(error.hint)));
      return true;
    });
  });
}

test('COPY --parents takes files of a stage, below an absolute pivot', async (t) => {
  const builds = await TestBuilds.create(t);
  fill(builds);
  await builds.build(
    'FROM scratch AS src\nCOPY --chown=3:4 packages /srv/packages\n' +
      'FROM scratch\nCOPY --from=src --parents /srv/./packages/*/package.json /app/\n',
  );
  assert.deepEqual(await builds.tree(), [
    '/app 755 0:0 dir',
    '/app/packages 755 3:4 dir',
    '/app/packages/a 750 3:4 dir',
    '/app/packages/a/package.json 644 3:4 "a"',
    '/app/packages/b 755 3:4 dir',
    '/app/packages/b/package.json 644 3:4 "b"',
  ]);
});

test('COPY gives directories the times of their sources', async (t) => {
  const builds = await TestBuilds.create(t);
  builds.files({ 'dir/sub/x': 'x', 'dir/y': 'y' });
  for (const [index, name] of ['dir/sub/x', 'dir/sub', 'dir/y', 'dir', '.'].entries()) {
    utimesSync(path.join(builds.context, name), 1000 + index, 1000 + index);
  }
  const sub = { '/new/sub': 1001, '/new/sub/x': 1000 };
  await builds.build('FROM scratch\nCOPY dir /new\n');
  assert.deepEqual(await builds.mtimes(), { '/new': 1003, ...sub, '/new/y': 1002 });
  await builds.build('FROM scratch\nCOPY --parents dir/sub/x /new\n');
  const parents = { '/new/dir': 1003, '/new/dir/sub': 1001, '/new/dir/sub/x': 1000 };
  assert.deepEqual(await builds.mtimes(), { '/new': 1004, ...parents });
});

const LINK_BASE =
  'COPY links /\nCOPY --chmod=700 --chown=1:2 package.json /d/sub/\nCOPY package.json /file\n';

test('COPY --link replaces links and files on the way, and sets the modes of directories', async (t) => {
  const builds = await TestBuilds.create(t);
  fill(builds);
  builds.files({ 'links/keep': 'k' });
  symlinkSync('/elsewhere', path.join(builds.context, 'links/to'));
  await builds.build(
    `FROM scratch\n${LINK_BASE}COPY --link README.md /to/\nCOPY --link README.md /d/sub/\n` +
      'COPY --link --chmod=600 README.md /file/x\n',
  );
  assert.deepEqual(await builds.tree(), [
    '/d 755 0:0 dir',
    '/d/sub 755 0:0 dir',
    '/d/sub/README.md 644 0:0 "r"',
    '/d/sub/package.json 700 1:2 "0"',
    '/file 600 0:0 dir',
    '/file/x 600 0:0 "r"',
    '/keep 644 0:0 "k"',
    '/to 755 0:0 dir',
    '/to/README.md 644 0:0 "r"',
  ]);
});

test('COPY --link is reused when what is below changes, and not for what comes after', async (t) => {
  const builds = await TestBuilds.create(t);
  fill(builds);
  const text =
    'FROM scratch\nCOPY README.md /\nCOPY --link package.json /d/\nCOPY package.json /e/\n';
  const first = await builds.build(text);
  builds.files({ 'README.md': 'changed' });
  const second = await builds.build(text);
  assert.deepEqual(builds.outcomes(second), [
    'what is copied changed',
    'cached',
    'an earlier step changed',
  ]);
  assert.equal(second.steps[1]?.diffId, first.steps[1]?.diffId);
  const files = await builds.tree();
  assert(files.includes('/README.md 644 0:0 "changed"') && files.includes('/d 755 0:0 dir'));
});

test('COPY --link asks the image for names of --chown, and depends on their ids alone', async (t) => {
  const builds = await TestBuilds.create(t);
  builds.files({ passwd: 'app:x:7:8::/:\n', f: 'f' });
  const text = 'FROM scratch\nCOPY passwd /etc/\nCOPY --link --chown=app f /\n';
  await builds.build(text);
  assert((await builds.tree()).includes('/f 644 7:8 "f"'));
  builds.files({ passwd: 'app:x:7:8::/:\nb:x:1:1::/:\n' });
  assert.deepEqual(builds.outcomes(await builds.build(text)), ['what is copied changed', 'cached']);
  builds.files({ passwd: 'app:x:9:8::/:\n' });
  assert.equal(builds.outcomes(await builds.build(text))[1], 'the ids of --chown changed');
});
