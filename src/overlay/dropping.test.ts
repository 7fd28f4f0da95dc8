import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';

import type { SetAttr } from '../fuse/filesystem.js';
import type { LayerId } from '../layer/types.js';
import { CALLER, LayerFixture, Shell } from '../testing/overlay-fixture.js';
import { byteNameOf } from '../util/byte-name.js';
import { OverlayFileSystem } from './overlay-filesystem.js';
import type { Overlay } from './overlay.js';

/** An overlay as a kernel uses it that forgets when it is told to. */
class Kernel {
  readonly overlay: Overlay;
  readonly fs: OverlayFileSystem;
  readonly #references: number[] = [];

  constructor(overlay: Overlay) {
    this.overlay = overlay;
    this.fs = new OverlayFileSystem(overlay);
  }

  /** Looks a path up, as a path walk does, and refers to everything on it. */
  walk(path: string): number {
    let at = 1;
    for (const name of path.split('/').filter((each) => each !== '')) {
      const entry = this.fs.lookup(at, byteNameOf(name));
      assert(entry !== undefined, `${path} exists`);
      at = entry.nodeid;
      this.#references.push(at);
    }
    return at;
  }

  stat(path: string): { ino: number; nlink: number; nodeid: number } {
    const nodeid = this.walk(path);
    const { ino, nlink } = this.fs.getattr(nodeid);
    return { ino, nlink, nodeid };
  }

  /** Forgets everything, in this order. */
  forget(order: 'parents' | 'children'): void {
    const references = this.#references.splice(0);
    if (order === 'children') references.reverse();
    for (const nodeid of references) this.fs.forget(nodeid, 1);
  }

  get size(): number {
    return this.overlay.tree.size;
  }
}

const PATHS = ['/f', '/dir', '/dir/a', '/dir/sub/b', '/dir/sub/deep/deeper', '/link', '/other/c'];

function open(t: TestContext): { kernel: Kernel; lowers: LayerId[]; fixture: LayerFixture } {
  const fixture = new LayerFixture(t);
  const base = fixture.step([], (sh) => {
    sh.write('/f', 'f');
    sh.mkdir('/dir');
    sh.write('/dir/a', 'a');
    sh.mkdir('/dir/sub');
    sh.ln('/dir/a', '/dir/sub/b');
    sh.mkdir('/other');
    sh.ln('/dir/a', '/other/c');
    sh.symlink('f', '/link');
  });
  const top = fixture.step([base], (sh) => {
    sh.mkdir('/dir/sub/deep');
    sh.mkdir('/dir/sub/deep/deeper');
    sh.write('/other/new', 'new');
  });
  const lowers = [base, top];
  const overlay = fixture.open(lowers, fixture.newId());
  t.after(() => overlay[Symbol.dispose]());
  return { kernel: new Kernel(overlay), lowers, fixture };
}

for (const order of ['parents', 'children'] as const) {
  test(`a clean node is dropped, and comes back the same (${order} forgotten first)`, (t) => {
    const { kernel } = open(t);
    const before = PATHS.map((path) => kernel.stat(path));
    assert.equal(before[2]?.ino, before[3]?.ino, 'hard links are one inode');
    assert.equal(before[2]?.nlink, 3);
    const loaded = kernel.size;
    kernel.forget(order);
    assert.equal(kernel.size, 1, 'only the root is left');
    assert.deepEqual(
      PATHS.toReversed()
        .map((path) => kernel.stat(path))
        .reverse(),
      before,
    );
    assert.equal(kernel.size, loaded);
    kernel.forget(order);
    assert.equal(kernel.size, 1);
  });
}

test('a node is not dropped while one of several lookups is referenced', (t) => {
  const { kernel } = open(t);
  const nodeid = kernel.walk('/dir/a');
  kernel.forget('children');
  const [first, second] = [kernel.walk('/dir/a'), kernel.walk('/dir/sub/b')];
  assert.deepEqual([first, second], [nodeid, nodeid]);
  kernel.fs.forget(nodeid, 1);
  assert.equal(kernel.fs.getattr(nodeid).nlink, 3);
  kernel.fs.forget(nodeid, 1);
  assert.throws(() => kernel.fs.getattr(nodeid), { code: 'ESTALE' });
});

/** What may not get lost with the kernel's references, and what must be seen afterwards. */
const KEPT: readonly [string, (kernel: Kernel) => void, (sh: Shell) => unknown, unknown][] = [
  ['mode', (kernel) => setattr(kernel, { mode: 0o600 }), (sh) => sh.stat('/f').mode & 0o777, 0o600],
  ['owner', (kernel) => setattr(kernel, { uid: 7 }), (sh) => sh.stat('/f').uid, 7],
  [
    'atime',
    (kernel) => setattr(kernel, { atime: { sec: 5, nsec: 6 } }),
    (sh) => [sh.stat('/f').atimeSec, sh.stat('/f').atimeNsec],
    [5, 6],
  ],
  [
    'content',
    (kernel) => {
      const write = { nodeid: kernel.walk('/f'), fh: 0, offset: 0, killSuidgid: false };
      kernel.fs.write({ ...write, data: Buffer.from('new') });
    },
    (sh) => sh.read('/f'),
    'new',
  ],
  [
    'a directory that was moved',
    ({ fs }) => fs.rename({ ...names('dir', 'moved'), flags: 0 }),
    (sh) => [sh.exists('/dir'), sh.ls('/moved'), sh.read('/moved/sub/b')],
    [false, ['a', 'sub'], 'a'],
  ],
  [
    'a file that was moved',
    ({ fs }) => fs.rename({ ...names('f', 'g'), flags: 0 }),
    (sh) => [sh.exists('/f'), sh.read('/g')],
    [false, 'f'],
  ],
  [
    'a file that was moved there and back',
    ({ fs }) => {
      fs.rename({ ...names('f', 'g'), flags: 0 });
      fs.rename({ ...names('g', 'f'), flags: 0 });
    },
    (sh) => [sh.exists('/g'), sh.read('/f')],
    [false, 'f'],
  ],
  [
    'a further name',
    (kernel) => void kernel.fs.link(kernel.walk('/dir/a'), 1, byteNameOf('more')),
    (sh) => ['/dir/a', '/more', '/dir/sub/b'].map((path) => sh.stat(path).nlink),
    [4, 4, 4],
  ],
  [
    'a name less',
    (kernel) => kernel.fs.unlink(kernel.walk('/dir'), byteNameOf('a')),
    (sh) => [sh.exists('/dir/a'), sh.stat('/dir/sub/b').nlink, sh.stat('/other/c').nlink],
    [false, 2, 2],
  ],
  [
    'a removed directory',
    (kernel) => {
      kernel.fs.rmdir(kernel.walk('/dir/sub/deep'), byteNameOf('deeper'));
      kernel.fs.rmdir(kernel.walk('/dir/sub'), byteNameOf('deep'));
    },
    (sh) => [sh.ls('/dir/sub'), sh.stat('/dir/sub').nlink],
    [['b'], 2],
  ],
];

function setattr(kernel: Kernel, change: Omit<SetAttr, 'killSuidgid'>): void {
  kernel.fs.setattr(kernel.walk('/f'), { ...change, killSuidgid: false }, CALLER);
}

function names(name: string, newName: string) {
  return { parent: 1, name: byteNameOf(name), newParent: 1, newName: byteNameOf(newName) };
}

for (const [what, change, look, want] of KEPT) {
  test(`what changed stays when the kernel forgets: ${what}`, (t) => {
    const { kernel, lowers, fixture } = open(t);
    change(kernel);
    for (const path of ['/other/new', '/link']) kernel.walk(path);
    kernel.forget('parents');
    kernel.overlay.tree.trim();
    assert.deepEqual(look(new Shell(kernel.fs)), want);
    kernel.overlay.tree.trim();
    assert.deepEqual(look(new Shell(kernel.fs)), want);
    // A layer has no atime.
    if (what === 'atime') return;
    // The next step sees the same through the layer.
    const upper = fixture.step(lowers, (sh, overlay) => {
      const other = new Kernel(overlay);
      change(other);
      other.forget('children');
      assert.deepEqual(look(sh), want);
    });
    using overlay = fixture.open([...lowers, upper]);
    assert.deepEqual(look(new Shell(new OverlayFileSystem(overlay))), want);
  });
}

test('references are counted, whatever the order of lookups and forgets', (t) => {
  const { kernel } = open(t);
  const held = new Map<string, number>();
  const numbers = new Map(PATHS.map((at) => [at, kernel.walk(at)]));
  kernel.forget('parents');
  let state = 1;
  const random = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
  for (let i = 0; i < 5000; i++) {
    const at = PATHS[random(PATHS.length)] ?? '';
    const nodeid = numbers.get(at) ?? 0;
    const count = held.get(at) ?? 0;
    if (count > 0 && random(2) === 0) {
      const some = 1 + random(count);
      kernel.fs.forget(nodeid, some);
      held.set(at, count - some);
    } else {
      const name = byteNameOf(path.posix.basename(at));
      const parent = kernel.walk(path.posix.dirname(at));
      assert.equal(kernel.fs.lookup(parent, name)?.nodeid, nodeid);
      held.set(at, count + 1);
      // The way there is forgotten before what it leads to.
      kernel.forget(random(2) === 0 ? 'parents' : 'children');
    }
    for (const [each, left] of held) {
      if (left > 0) assert.equal(kernel.fs.getattr(numbers.get(each) ?? 0).ino, numbers.get(each));
    }
  }
  for (const [at, left] of held) kernel.fs.forget(numbers.get(at) ?? 0, left);
  assert.equal(kernel.size, 1);
});

test('an unlinked file is there until it is forgotten', (t) => {
  const { kernel } = open(t);
  const nodeid = kernel.walk('/f');
  kernel.fs.unlink(1, byteNameOf('f'));
  kernel.overlay.tree.trim();
  assert.equal(kernel.fs.getattr(nodeid).nlink, 0);
  kernel.forget('children');
  assert.throws(() => kernel.fs.getattr(nodeid), { code: 'ESTALE' });
  assert.equal(kernel.fs.lookup(1, byteNameOf('f')), undefined);
});

test('readdir() without lookups loads nothing, and gives the same numbers', (t) => {
  const { kernel } = open(t);
  const list = (): Map<string, number> => {
    const found = new Map<string, number>();
    kernel.fs.readdir(1, 0, 0, {
      plus: false,
      add: ({ name, ino }) => found.set(name, ino).size > 0,
    });
    return found;
  };
  const before = list();
  assert.equal(kernel.size, 1);
  for (const name of ['f', 'dir', 'link', 'other']) {
    assert.equal(kernel.stat(`/${name}`).ino, before.get(name), name);
  }
  assert.deepEqual(list(), before);
});

test('a listing keeps its places while its directory is referenced', (t) => {
  const { kernel } = open(t);
  const dir = kernel.walk('/dir');
  const list = (from: number): [string, number][] => {
    const found: [string, number][] = [];
    kernel.fs.readdir(dir, 0, from, {
      plus: false,
      add: ({ name, nextOffset }) => found.push([name, nextOffset]) > 0,
    });
    return found.filter(([name]) => !name.startsWith('.'));
  };
  const [first, second] = list(0);
  kernel.fs.forget(kernel.walk('/dir/a'), 1);
  kernel.overlay.tree.trim();
  kernel.fs.unlink(dir, byteNameOf('a'));
  assert.equal(first?.[0], 'a');
  assert.deepEqual(list(first[1]), [second]);
});

test('what was loaded and never referenced is dropped in the end', (t) => {
  const { kernel } = open(t);
  const dir = kernel.walk('/dir');
  // Each looks names up that the kernel gets no reference to.
  assert.throws(() => kernel.fs.rmdir(1, byteNameOf('other')), { code: 'ENOTEMPTY' });
  assert.throws(() => kernel.fs.link(dir, 1, byteNameOf('f')), { code: 'EPERM' });
  assert.throws(() => kernel.fs.symlink(1, byteNameOf('f'), Buffer.from('x'), CALLER), {
    code: 'EEXIST',
  });
  assert(kernel.size > 2);
  kernel.overlay.tree.trim();
  assert.equal(kernel.size, 2);
});

test('inodes of directories without an index come back the same', (t) => {
  const fixture = new LayerFixture(t);
  const [base, top] = ['base', 'top'].map((name) => path.join(fixture.root, name));
  assert(base !== undefined && top !== undefined);
  for (const at of ['a/deep', 'b', 'c/hidden'])
    fs.mkdirSync(path.join(base, at), { recursive: true });
  for (const at of ['a/f', 'a/deep/g', 'b/h', 'c/hidden/i'])
    fs.writeFileSync(path.join(base, at), at);
  fs.linkSync(path.join(base, 'a/f'), path.join(base, 'b/link'));
  for (const at of ['a/deep', 'c']) fs.mkdirSync(path.join(top, at), { recursive: true });
  fs.writeFileSync(path.join(top, 'a/deep/new'), 'new');
  // A whiteout beside a directory hides what is below it.
  fs.mkdirSync(path.join(top, 'c/hidden'));
  for (const at of ['c/.wh.hidden', 'b.wh', '.wh.nothing'])
    fs.writeFileSync(path.join(top, at), '');
  const lowers = [base, top].map((dir) => ({ kind: 'plain', dir }) as const);
  using overlay = fixture.open([], fixture.newId(), { lowers });
  const kernel = new Kernel(overlay);
  const paths = ['/a', '/a/f', '/b/link', '/a/deep', '/a/deep/g', '/a/deep/new', '/b', '/c/hidden'];
  const look = () => paths.map((at) => ({ at, ...kernel.stat(at) }));
  const before = look();
  assert.equal(new Set(before.map(({ ino }) => ino)).size, paths.length - 1, 'one is a hard link');
  for (let round = 0; round < 3; round++) {
    kernel.forget('children');
    overlay.tree.trim();
    // What the shell holds stays.
    if (round === 0) assert.equal(kernel.size, 1);
    const sh = new Shell(kernel.fs);
    assert.deepEqual([sh.ls('/c/hidden'), sh.exists('/c/hidden/i')], [[], false]);
    assert.deepEqual(sh.ls('/'), ['a', 'b', 'b.wh', 'c']);
    assert.deepEqual(look(), before);
  }
  const numbers = new Map<string, number>();
  kernel.fs.readdir(kernel.walk('/a'), 0, 0, {
    plus: false,
    add: ({ name, ino }) => numbers.set(name, ino).size > 0,
  });
  for (const { at, ino } of before) {
    if (/^\/a\/[^/]+$/.test(at)) assert.equal(numbers.get(path.posix.basename(at)), ino);
  }
});
