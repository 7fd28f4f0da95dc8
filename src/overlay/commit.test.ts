import assert from 'node:assert/strict';
import test from 'node:test';

import type { LayerId } from '../layer/types.js';
import { CALLER, LayerFixture, Shell, describeTree } from '../testing/overlay-fixture.js';
import { applyLayers } from '../testing/apply-layers.js';
import { outlineLayer } from '../testing/outline-layer.js';
import { ImageTree } from './image-tree.js';
import type { ByteName } from '../util/byte-name.js';
import { OverlayFileSystem } from './overlay-filesystem.js';

/** The base of all cases. */
function populate(sh: Shell): void {
  sh.mkdir('/lower');
  sh.write('/lower/f', 'f');
  sh.write('/lower/f2', 'f2');
  sh.write('/lower/suid', 'suid', 0o4755);
  sh.write('/lower/big', Buffer.alloc(300_000, 7));
  sh.mkdir('/lower/dir');
  sh.mkdir('/lower/dir/sub');
  sh.write('/lower/dir/sub/deep', 'deep');
  sh.write('/lower/dir/a', 'a');
  sh.ln('/lower/dir/a', '/lower/dir/b');
  sh.ln('/lower/dir/a', '/lower/c');
  sh.symlink('dir/a', '/lower/link');
  sh.mkdir('/lower/empty');
  sh.mkdir('/var');
  sh.write('/var/status', 'old status');
  sh.utimes('/lower/f', -5, 123456789);
  sh.setxattr('/lower/f', 'security.capability', 'cap');
}

const RENAME_EXCHANGE = 2;

/** Name, what a step does, and the layer that it must leave. */
const CASES: readonly [string, (sh: Shell) => void, readonly string[]][] = [
  ['nothing', () => undefined, []],
  ['a read', (sh) => void sh.read('/lower/f'), []],
  [
    'a chmod there and back',
    (sh) => {
      sh.chmod('/lower/f', 0o600);
      sh.chmod('/lower/f', 0o644);
    },
    [],
  ],
  ['a chown to the same owner', (sh) => sh.chown('/lower/f2', 0, 0), []],
  ['a chmod', (sh) => sh.chmod('/lower/f', 0o600), ['lower/', 'lower/f']],
  ['a new file', (sh) => sh.write('/new', 'x'), ['new']],
  [
    'a temporary file of the upper layer',
    (sh) => {
      sh.write('/t', 'x');
      sh.rm('/t');
    },
    [],
  ],
  ['rm of a lower file', (sh) => sh.rm('/lower/f'), ['-lower/f', 'lower/']],
  [
    'write, then rm of a lower file',
    (sh) => {
      sh.write('/lower/f', 'x');
      sh.rm('/lower/f');
    },
    ['-lower/f', 'lower/'],
  ],
  ['mv of a lower file', (sh) => sh.mv('/lower/f', '/lower/g'), ['-lower/f', 'lower/', 'lower/g']],
  [
    'mv there and back',
    (sh) => {
      sh.mv('/lower/f', '/lower/g');
      sh.mv('/lower/g', '/lower/f');
    },
    ['lower/'],
  ],
  [
    'mv over a lower file',
    (sh) => sh.mv('/lower/f', '/lower/f2'),
    ['-lower/f', 'lower/', 'lower/f2'],
  ],
  [
    'fuse-overlayfs 354',
    (sh) => {
      sh.rm('/lower/f2');
      sh.utimes('/lower/f', 9);
      sh.mv('/lower/f', '/lower/f2');
    },
    ['-lower/f', 'lower/', 'lower/f2'],
  ],
  [
    'sed -i on an upper file',
    (sh) => {
      sh.write('/u', 'x');
      sh.write('/sedX', 'y');
      sh.mv('/sedX', '/u');
    },
    ['u'],
  ],
  [
    'mv of a lower directory',
    (sh) => sh.mv('/lower/dir', '/d2'),
    ['-lower/dir', 'd2/', 'd2/a', 'd2/b', 'd2/sub/', 'd2/sub/deep', 'lower/', 'lower/c'],
  ],
  [
    'rename over an emptied lower directory',
    (sh) => {
      sh.mkdir('/n');
      sh.write('/n/x', 'x');
      sh.mv('/n', '/lower/empty');
    },
    ['lower/', 'lower/empty/!', 'lower/empty/x'],
  ],
  [
    'rm -rf and mkdir of a lower directory',
    (sh) => {
      sh.rmRf('/lower/dir');
      sh.mkdir('/lower/dir');
    },
    ['lower/', 'lower/dir/!'],
  ],
  [
    'rm -rf of everything in a lower directory',
    (sh) => {
      for (const n of sh.ls('/lower/dir')) sh.rmRf(`/lower/dir/${n}`);
    },
    ['-lower/dir/a', '-lower/dir/b', '-lower/dir/sub', 'lower/', 'lower/dir/'],
  ],
  [
    'fuse-overlayfs 306',
    (sh) => {
      sh.rmRf('/lower/dir');
      sh.mkdir('/lower/dir');
      sh.mkdir('/lower/dir/sub');
      sh.mv('/lower/dir/sub', '/s');
    },
    ['lower/', 'lower/dir/!', 's/'],
  ],
  [
    'fuse-overlayfs 444',
    (sh) => {
      sh.mv('/lower/dir', '/lower/tmp');
      sh.mkdir('/lower/dir');
      sh.write('/lower/dir/n', 'n');
      sh.rmRf('/lower/tmp');
    },
    ['lower/', 'lower/dir/!', 'lower/dir/n'],
  ],
  [
    'dnf: a directory over a removed one',
    (sh) => {
      sh.mkdir('/lower/t');
      sh.write('/lower/t/x', 'x');
      sh.rmRf('/lower/dir');
      sh.mv('/lower/t', '/lower/dir');
    },
    ['lower/', 'lower/dir/!', 'lower/dir/x'],
  ],
  [
    'a file over a directory',
    (sh) => {
      sh.rmRf('/lower/dir');
      sh.write('/lower/dir', 'x');
    },
    ['lower/', 'lower/dir'],
  ],
  [
    'a directory over a file',
    (sh) => {
      sh.rm('/lower/f');
      sh.mkdir('/lower/f');
    },
    ['lower/', 'lower/f/'],
  ],
  [
    'dpkg: status and its backup',
    (sh) => {
      sh.write('/var/status-new', 'new');
      sh.ln('/var/status', '/var/status-old');
      sh.mv('/var/status-new', '/var/status');
      sh.rm('/var/status-old');
    },
    ['var/', 'var/status'],
  ],
  [
    'fuse-overlayfs 279',
    (sh) => {
      sh.mv('/lower/f', '/lower/f9');
      sh.write('/lower/f3', '');
      sh.symlink('f3', '/lower/f');
    },
    ['lower/', 'lower/f', 'lower/f3', 'lower/f9'],
  ],
  [
    'exchange of two files',
    (sh) => sh.mv('/lower/f', '/lower/f2', RENAME_EXCHANGE),
    ['lower/', 'lower/f', 'lower/f2'],
  ],
  [
    'exchange of a file and a directory',
    (sh) => sh.mv('/lower/f', '/lower/empty', RENAME_EXCHANGE),
    ['lower/', 'lower/empty', 'lower/f/'],
  ],
  [
    'a write to one of three links',
    (sh) => sh.pwrite('/lower/c', 'Z', 0),
    ['lower/', 'lower/c', 'lower/dir/', 'lower/dir/a', 'lower/dir/b'],
  ],
  [
    'a further link of a lower file',
    (sh) => sh.ln('/lower/f', '/lower/g'),
    ['lower/', 'lower/f', 'lower/g'],
  ],
  ['rm of one of three links', (sh) => sh.rm('/lower/c'), ['-lower/c', 'lower/']],
  [
    'mv of one of three links',
    (sh) => sh.mv('/lower/c', '/c'),
    ['-lower/c', 'c', 'lower/', 'lower/dir/', 'lower/dir/a', 'lower/dir/b'],
  ],
  [
    'a link of a lower file and its removal',
    (sh) => {
      sh.ln('/lower/f', '/lower/t');
      sh.rm('/lower/t');
    },
    ['lower/'],
  ],
  [
    'dpkg replacing one of three links',
    (sh) => {
      sh.ln('/lower/c', '/lower/c.dpkg-tmp');
      sh.write('/lower/c.dpkg-new', 'new');
      sh.mv('/lower/c.dpkg-new', '/lower/c');
      sh.rm('/lower/c.dpkg-tmp');
    },
    ['lower/', 'lower/c'],
  ],
  [
    'truncation of a big lower file',
    (sh) => void sh.fs.setattr(sh.id('/lower/big'), { size: 5, killSuidgid: false }, CALLER),
    ['lower/', 'lower/big'],
  ],
  [
    'a write into a big lower file',
    (sh) => sh.pwrite('/lower/big', 'x', 299_990),
    ['lower/', 'lower/big'],
  ],
  [
    'growth beyond memory',
    (sh) => {
      sh.write('/g', 'x');
      sh.pwrite('/g', 'y', 1_000_000);
    },
    ['g'],
  ],
  [
    'fifo, socket and device',
    (sh) => {
      sh.mknod('/p', 0o010644);
      sh.mknod('/s', 0o140755);
      sh.mknod('/d', 0o020666, 0x103);
    },
    ['d', 'p', 's'],
  ],
  [
    'a chmod of a fifo and a symlink time',
    (sh) => {
      sh.utimes('/lower/link', 5, 6);
    },
    ['lower/', 'lower/link'],
  ],
];

for (const [name, change, want] of CASES) {
  test(`commit() of ${name}`, async (t) => {
    const fixture = new LayerFixture(t);
    const base = fixture.step([], populate);
    let shown: string[] = [];
    const upper = fixture.newId();
    {
      using overlay = fixture.open([base], upper);
      change(new Shell(new OverlayFileSystem(overlay)));
      // First, so that nothing is loaded only because it was looked at.
      overlay.commit();
      shown = await describeTree(new ImageTree(overlay));
    }
    const layer = fixture.read(upper);
    assert.deepEqual(outlineLayer(layer), [...want].sort());
    assert.deepEqual(await fixture.show([base, upper]), shown);
    await assertApplied(fixture, [base, upper], shown);
  });
}

/** The layers one after the other, by the rules of layer archives, give the same tree. */
async function assertApplied(fixture: LayerFixture, ids: LayerId[], want: string[]): Promise<void> {
  const applied = applyLayers(ids.map((id) => ({ id, tree: fixture.read(id) })));
  assert.deepEqual(await applied.describe(fixture.dirOf), want);
}

test('a later step counts the names of a file that are left', (t) => {
  const fixture = new LayerFixture(t);
  const base = fixture.step([], populate);
  const one = fixture.step([base], (sh) => sh.rm('/lower/dir/a'));
  const two = fixture.step([base, one], (sh) => sh.write('/lower/n', 'n'));
  const three = fixture.step([base, one, two], (sh) => sh.rmRf('/lower/dir'));
  const file = fixture.step([base, one, two, three], (sh) => sh.write('/lower/dir', 'a file'));
  for (const [ids, nlink] of [
    [[base], 3],
    [[base, one], 2],
    [[base, one, two], 2],
    [[base, one, two, three], 1],
    [[base, one, two, three, file], 1],
  ] as const) {
    using overlay = fixture.open(ids);
    assert.equal(new Shell(new OverlayFileSystem(overlay)).stat('/lower/c').nlink, nlink);
  }
});

test('commit() refuses directories that are nested beyond the depth of a layer', (t) => {
  const fixture = new LayerFixture(t);
  using overlay = fixture.open([], fixture.newId());
  const tree = new ImageTree(overlay);
  const names = Array.from({ length: 20_000 }, () => 'd').join('/') as ByteName;
  tree.mkdirs(names, { mode: 0o755, uid: 0, gid: 0 });
  assert.throws(() => overlay.commit(), { code: 'TSB_LIMIT' });
});

for (const [path, make] of [
  ['/lower/.wh.f', (sh: Shell) => sh.write('/lower/.wh.f', '')],
  ['/lower/.wh..wh..opq', (sh: Shell) => sh.mkdir('/lower/.wh..wh..opq')],
  [
    '/new/.wh.f',
    (sh: Shell) => {
      sh.mkdir('/new');
      sh.symlink('to', '/new/.wh.f');
    },
  ],
] as const) {
  test(`commit() refuses ${path}, a deletion in an archive`, (t) => {
    const fixture = new LayerFixture(t);
    using overlay = fixture.open([fixture.step([], populate)], fixture.newId());
    make(new Shell(new OverlayFileSystem(overlay)));
    const message = new RegExp(`Cannot keep "${path.replaceAll('.', '\\.')}" in a layer`);
    assert.throws(() => overlay.commit(), { code: 'TSB_BUILD', message });
  });
}
