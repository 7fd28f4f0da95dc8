import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';

import { LayerWriter } from '../layer/layer-writer.js';
import { WHITEOUT, type LayerDir, type LayerId, type LayerNode } from '../layer/types.js';
import { LayerFixture, Shell } from '../testing/overlay-fixture.js';
import { byteNameOf, type ByteName } from '../util/byte-name.js';
import { findLower } from './lower.js';
import { OverlayFileSystem } from './overlay-filesystem.js';
import type { Lower } from './overlay.js';
import { isDirNode, type DirNode, type Tree } from './tree.js';

const LAYERS = 128;

type Entries = Record<string, LayerNode | typeof WHITEOUT>;

function meta(mode: number): Omit<LayerDir, 'kind' | 'opaque' | 'entries'> {
  const times = { mtimeSec: 1, mtimeNsec: 2, rdevMajor: 0, rdevMinor: 0, xattrs: undefined };
  return { mode, uid: 0, gid: 0, ...times };
}

function file(uid: number): LayerNode {
  return { ...meta(0o100644), uid, kind: 'file', size: 0, content: undefined };
}

function dir(entries: Entries, opaque = false): LayerDir {
  const named = Object.entries(entries).map(([name, node]) => [byteNameOf(name), node] as const);
  return { ...meta(0o040755), kind: 'dir', opaque, entries: new Map(named) };
}

function write(fixture: LayerFixture, root: LayerDir): LayerId {
  const id = fixture.newId();
  using writer = LayerWriter.create(fixture.dirOf(id));
  writer.finish(root);
  return id;
}

/** One layer of many: something new, something of all, and in the middle what hides. */
function layer(i: number): LayerDir {
  const common: Entries = {
    [`only${i}`]: file(i),
    all: file(i),
    last: dir({ [`f${i}`]: file(i) }),
  };
  if (i === 0) for (let n = 0; n < 1000; n++) common[`base${n}`] = file(0);
  if (i === 40) Object.assign(common, { base7: WHITEOUT, only3: WHITEOUT, last: WHITEOUT });
  if (i === 50) common['base8'] = dir({ inside: file(i) });
  if (i === 60) common['only5'] = file(i);
  if (i === 70) common['base7'] = file(i);
  const opaque = i === 64;
  return dir({
    usr: dir({ lib: dir(common), opq: dir({ [`o${i}`]: file(i) }, opaque) }),
    [`top${i}`]: file(i),
  });
}

test('128 layers show what they merge to', (t) => {
  const fixture = new LayerFixture(t);
  const lowers = Array.from({ length: LAYERS }, (_, i) => write(fixture, layer(i)));
  using overlay = fixture.open(lowers, fixture.newId());
  const sh = new Shell(new OverlayFileSystem(overlay));
  // Whatever the way to a name, also when it was taken often.
  for (let round = 0; round < 3; round++) {
    for (const name of ['only3', 'absent', 'base1000', 'last/f39', '../opq/o63']) {
      assert.equal(sh.exists(path.posix.normalize(`/usr/lib/${name}`)), false, name);
    }
    const owners = { all: 127, base7: 70, base9: 0, only4: 4, only5: 60, 'last/f41': 41 };
    for (const [name, uid] of Object.entries({ ...owners, 'base8/inside': 50, only127: 127 })) {
      assert.equal(sh.stat(`/usr/lib/${name}`).uid, uid, name);
    }
    for (let i = 0; i < LAYERS; i++) {
      assert.equal(sh.stat(`/top${i}`).uid, i);
      assert.equal(sh.exists(`/usr/opq/o${i}`), i >= 64);
    }
  }
  assert.equal(sh.ls('/usr/lib').length, 1000 + LAYERS - 1 + 2);
  assert.equal(sh.ls('/usr/opq').length, 64);
  assert.equal(sh.ls('/usr/lib/last').length, LAYERS - 41);
  assert.equal(sh.stat('/usr/lib').nlink, 4);
  sh.rm('/usr/lib/only60');
  sh.write('/usr/lib/only3', 'again');
  assert.deepEqual([sh.exists('/usr/lib/only60'), sh.exists('/usr/lib/only61')], [false, true]);
  const { changes } = overlay.commit();
  assert.equal(changes, 3);
});

/** Numbers that look random: the same in each run. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const NAMES = Array.from({ length: 40 }, (_, i) => `name${i}`);

function randomDir(random: (below: number) => number, depth: number): LayerDir {
  const entries: Entries = {};
  for (let n = random(12); n > 0; n--) {
    const name = NAMES[random(NAMES.length)] ?? '';
    const kind = random(10);
    if (kind === 0) entries[name] = WHITEOUT;
    else if (kind < 5 || depth === 0) entries[name] = file(random(1000));
    else entries[name] = randomDir(random, depth - 1);
  }
  return { ...dir(entries, random(30) === 0), ...(random(4) === 0 && { implied: true as const }) };
}

/** What a directory finds must be what a search of all its sources finds. */
function compare(tree: Tree, node: DirNode): number {
  let compared = 0;
  for (const name of [...NAMES, 'absent'].map(byteNameOf)) {
    for (let round = 0; round < 2; round++) {
      assert.deepEqual(node.dir.findLower(name), findLower(node.dir.sources, name));
    }
    const child = tree.lookup(node, name);
    compared += 1;
    if (child !== undefined && isDirNode(child)) compared += compare(tree, child);
  }
  const isDir = (name: ByteName): boolean => tree.lookup(node, name)?.isDir === true;
  assert.equal(node.nlink, 2 + tree.names(node).filter(isDir).length);
  return compared;
}

function plainLayer(at: string, { entries }: LayerDir): void {
  fs.mkdirSync(at, { recursive: true });
  for (const [name, node] of entries) {
    if (node === WHITEOUT) fs.writeFileSync(path.join(at, `.wh.${name}`), '');
    else if (node.kind === 'dir') plainLayer(path.join(at, name), node);
    else fs.writeFileSync(path.join(at, name), '');
  }
}

const KINDS: readonly [string, (t: TestContext, fixture: LayerFixture) => Lower[]][] = [
  [
    'layers of the store',
    (_, fixture) => {
      const random = randomFrom(7);
      return Array.from({ length: LAYERS }, () => {
        return { kind: 'indexed', id: write(fixture, randomDir(random, 3)) };
      });
    },
  ],
  [
    'directories',
    (_, fixture) => {
      const random = randomFrom(8);
      return Array.from({ length: 20 }, (_each, i) => {
        const at = path.join(fixture.root, `plain${i}`);
        plainLayer(at, randomDir(random, 2));
        return { kind: 'plain', dir: at };
      });
    },
  ],
];

for (const [what, make] of KINDS) {
  test(`names are found in many ${what} as in each of them`, (t) => {
    const fixture = new LayerFixture(t);
    using overlay = fixture.open([], fixture.newId(), { lowers: make(t, fixture) });
    const { tree } = overlay;
    assert(isDirNode(tree.root));
    assert(compare(tree, tree.root) > 500);
    overlay.tree.trim();
    assert(compare(tree, tree.root) > 500);
  });
}
