import assert from 'node:assert/strict';
import test from 'node:test';

import type { LayerId } from '../layer/types.js';
import { RENAME_EXCHANGE } from '../sys/constants.js';
import { CALLER, LayerFixture, Shell, type OverlayOperations } from '../testing/overlay-fixture.js';
import { byteNameOf, displayName } from '../util/byte-name.js';
import { accessNames, accessedPaths, type AccessRecord } from './access-record.js';
import { AccessRecorder } from './access-recorder.js';
import { OverlayFileSystem } from './overlay-filesystem.js';

function makeBase(fixture: LayerFixture): LayerId[] {
  const base = fixture.step([], (sh) => {
    sh.mkdir('/dir');
    sh.mkdir('/dir/sub');
    sh.write('/dir/file', 'content');
    sh.write('/dir/sub/deep', 'deep');
    sh.write('/other', 'other');
    sh.symlink('dir/file', '/link');
    sh.write('/one', 'linked');
    sh.ln('/one', '/dir/two');
    sh.mkdir('/empty');
  });
  return [base];
}

/** Every path but the root that was used, and how: `/dir lookup stat`. */
function show(record: AccessRecord): string[] {
  return [...accessedPaths(record)]
    .filter(([path]) => path !== '/')
    .map(([path, access]) => [displayName(path), ...accessNames(access)].join(' '));
}

type Use = (sh: Shell) => unknown;

const CHANGED = 'stat xattr write';

const CASES: readonly [string, Use, readonly string[]][] = [
  ['nothing', () => undefined, []],
  [
    'a lookup: with the attributes that come with it',
    (sh) => sh.exists('/dir/file'),
    ['/dir lookup stat', '/dir/file lookup stat'],
  ],
  ['a missing name', (sh) => sh.exists('/dir/none/x'), ['/dir lookup stat', '/dir/none absent']],
  ['a stat', (sh) => sh.stat('/other'), ['/other lookup stat']],
  [
    'content',
    (sh) => sh.fs.read({ nodeid: sh.id('/other'), fh: 0, offset: 0 }, Buffer.alloc(9)),
    ['/other lookup stat read'],
  ],
  ['a listing', (sh) => sh.ls('/dir'), ['/dir lookup stat list']],
  ['a target', (sh) => sh.fs.readlink(sh.id('/link')), ['/link lookup stat readlink']],
  ['attributes', (sh) => sh.fs.listxattr(sh.id('/other')), ['/other lookup stat xattr']],
  [
    'what a step made itself: not at all',
    (sh) => {
      sh.mkdir('/new');
      sh.write('/new/file', 'x');
      sh.read('/new/file');
      sh.exists('/new/none');
    },
    ['/new absent'],
  ],
  [
    'a removed name: once',
    (sh) => {
      sh.rm('/other');
      sh.exists('/other');
      sh.write('/other', 'new');
      sh.read('/other');
    },
    ['/other lookup remove'],
  ],
  [
    'a change of the mode: with the content that the layer refers to',
    (sh) => sh.chmod('/other', 0o600),
    ['/other lookup stat read xattr write'],
  ],
  [
    'a write: with the content around it',
    (sh) => sh.pwrite('/other', 'x', 1),
    ['/other lookup stat read xattr write'],
  ],
  [
    'a replaced content: without the former',
    (sh) => {
      sh.fs.setattr(sh.id('/other'), { size: 0, killSuidgid: false }, CALLER);
      sh.pwrite('/other', 'x', 0);
      sh.fs.read({ nodeid: sh.id('/other'), fh: 0, offset: 0 }, Buffer.alloc(9));
    },
    [`/other lookup ${CHANGED}`],
  ],
  [
    'a name in a directory: what it may hand down',
    (sh) => sh.mkdir('/dir/new'),
    ['/dir lookup stat xattr write', '/dir/new absent'],
  ],
  [
    'a moved directory: below its old name',
    (sh) => {
      sh.mv('/dir', '/moved');
      sh.stat('/moved/sub/deep');
      sh.exists('/moved/none');
      sh.exists('/dir');
    },
    [
      '/dir lookup stat xattr write move',
      '/dir/none absent',
      '/dir/sub lookup stat',
      '/dir/sub/deep lookup stat',
      '/moved absent',
    ],
  ],
  [
    'moving back and forth',
    (sh) => {
      sh.mv('/dir', '/moved');
      sh.mv('/moved', '/dir');
      sh.stat('/dir/file');
    },
    ['/dir lookup stat xattr write move', '/dir/file lookup stat', '/moved absent'],
  ],
  [
    'an exchange',
    (sh) => {
      sh.mv('/dir', '/empty', RENAME_EXCHANGE);
      sh.stat('/empty/file');
      sh.exists('/dir/none');
    },
    [
      '/dir lookup stat xattr write move',
      '/dir/file lookup stat',
      '/empty lookup stat xattr write move',
      '/empty/none absent',
    ],
  ],
  [
    'a replaced name',
    (sh) => sh.mv('/other', '/dir/file'),
    [
      '/dir lookup stat xattr write',
      '/dir/file lookup remove',
      '/other lookup stat read xattr write move',
    ],
  ],
  [
    'the emptiness of a removed directory',
    (sh) => {
      sh.rmdir('/empty');
      assert.throws(() => sh.rmdir('/dir'), { code: 'ENOTEMPTY' });
    },
    ['/dir lookup list remove', '/empty lookup list remove'],
  ],
  [
    'all names of a changed file',
    (sh) => sh.chmod('/one', 0o600),
    ['/dir/two stat read xattr write', '/one lookup stat read xattr write'],
  ],
  [
    'a second name: with what the kernel has of the inode',
    (sh) => {
      sh.read('/one');
      sh.exists('/dir/two');
    },
    ['/dir lookup stat', '/dir/two lookup stat read', '/one lookup stat read'],
  ],
];

for (const [name, use, want] of CASES) {
  test(`AccessRecorder records ${name}`, (t) => {
    const fixture = new LayerFixture(t);
    using overlay = fixture.open(makeBase(fixture), fixture.newId());
    const recorder = new AccessRecorder(overlay.tree);
    const watched = recorder.watch(new OverlayFileSystem(overlay)) as OverlayOperations;
    use(new Shell(watched));
    assert.deepEqual(show(recorder.record()), want);
  });
}

test('AccessRecorder gives no attributes with a listing', (t) => {
  const fixture = new LayerFixture(t);
  using overlay = fixture.open(makeBase(fixture), fixture.newId());
  const recorder = new AccessRecorder(overlay.tree);
  const watched = recorder.watch(new OverlayFileSystem(overlay)) as OverlayOperations;
  watched.lookup(1, byteNameOf('other'));
  const names: string[] = [];
  watched.readdir(1, 0, 0, {
    plus: true,
    add: (entry, lookup) => {
      assert.equal(lookup, undefined);
      return names.push(entry.name) > 0;
    },
  });
  assert.deepEqual(names, ['.', '..', 'dir', 'empty', 'link', 'one', 'other']);
  assert.deepEqual(show(recorder.record()), ['/other lookup stat']);
});

test('AccessRecorder records the same after nodes were dropped', (t) => {
  const fixture = new LayerFixture(t);
  using overlay = fixture.open(makeBase(fixture), fixture.newId());
  const recorder = new AccessRecorder(overlay.tree);
  const sh = new Shell(recorder.watch(new OverlayFileSystem(overlay)) as OverlayOperations);
  sh.mv('/dir', '/moved');
  sh.exists('/moved/sub/deep');
  overlay.tree.trim();
  sh.stat('/moved/sub/deep');
  assert.deepEqual(show(recorder.record()).slice(1, 3), [
    '/dir/sub lookup stat',
    '/dir/sub/deep lookup stat',
  ]);
});
