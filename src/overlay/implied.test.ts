import assert from 'node:assert/strict';
import test from 'node:test';

import { LayerWriter } from '../layer/layer-writer.js';
import {
  WHITEOUT,
  type InodeMeta,
  type LayerDir,
  type LayerId,
  type LayerNode,
} from '../layer/types.js';
import { applyLayers } from '../testing/apply-layers.js';
import { LayerFixture } from '../testing/overlay-fixture.js';
import { byteNameOf } from '../util/byte-name.js';

type Entries = Record<string, LayerNode | typeof WHITEOUT>;

function meta(mode: number, mtimeSec: number): InodeMeta {
  const xattrs = mtimeSec === 0 ? undefined : new Map([[byteNameOf('user.x'), Buffer.from('x')]]);
  const ids = { uid: mtimeSec, gid: mtimeSec, rdevMajor: 0, rdevMinor: 0 };
  return { mode, mtimeSec, mtimeNsec: 0, ...ids, xattrs };
}

function dir(entries: Entries, mtimeSec: number, opaque = false): LayerDir {
  const named = Object.entries(entries).map(([name, node]) => [byteNameOf(name), node] as const);
  return { kind: 'dir', ...meta(0o041777, mtimeSec), opaque, entries: new Map(named) };
}

/** A directory that the archive only implies. */
function implied(entries: Entries, opaque = false): LayerDir {
  return { ...dir(entries, 0, opaque), ...meta(0o040755, 0), implied: true };
}

const FILE: LayerNode = { kind: 'file', ...meta(0o100644, 9), size: 0, content: undefined };

function layer(fixture: LayerFixture, root: LayerDir): LayerId {
  const id = fixture.newId();
  using writer = LayerWriter.create(fixture.dirOf(id));
  writer.finish(root, { sync: false });
  return id;
}

/** Layers, base first, and the owner (and time) that directories get. */
const CASES: readonly [string, readonly LayerDir[], Record<string, number>][] = [
  [
    'the lower layer',
    [dir({ tmp: dir({}, 2) }, 1), implied({ tmp: implied({ f: FILE }) })],
    { '/': 1, '/tmp': 2 },
  ],
  [
    'the topmost layer that says something',
    [
      dir({ tmp: dir({}, 2) }, 1),
      dir({ tmp: dir({ g: FILE }, 4) }, 3),
      implied({ tmp: implied({ f: FILE }) }),
      implied({ tmp: implied({ h: FILE }) }),
    ],
    { '/': 3, '/tmp': 4 },
  ],
  ['nobody', [implied({ a: implied({ f: FILE }) }), implied({ a: implied({}) })], { '/a': 0 }],
  ['the defaults behind a file', [dir({ a: FILE }, 1), implied({ a: implied({}) })], { '/a': 0 }],
  [
    'the defaults behind a whiteout',
    [dir({ a: dir({}, 1) }, 1), implied({ a: WHITEOUT }), implied({ a: implied({ f: FILE }) })],
    { '/a': 0 },
  ],
  [
    'below an opaque directory',
    [dir({ a: dir({ f: FILE }, 2) }, 1), implied({ a: implied({ g: FILE }, true) }, true)],
    { '/': 1 },
  ],
  [
    'below an opaque directory in the middle',
    [dir({ a: dir({ f: FILE }, 2) }, 1), implied({ a: implied({ g: FILE }, true) })],
    { '/': 1, '/a': 2 },
  ],
  [
    'an opaque directory that says something',
    [dir({ a: dir({}, 2) }, 1), implied({ a: dir({}, 5, true) }), implied({ a: implied({}) })],
    { '/': 1, '/a': 5 },
  ],
];

for (const [name, trees, want] of CASES) {
  test(`an implied directory has the metadata of ${name}`, async (t) => {
    const fixture = new LayerFixture(t);
    const ids = trees.map((tree) => layer(fixture, tree));
    const shown = await fixture.show(ids);
    for (const [path, owner] of Object.entries(want)) {
      const mode = owner === 0 ? '40755' : '41777';
      const xattrs = owner === 0 ? '' : 'user.x=78';
      const line = shown.find((each) => each.startsWith(`${path} `));
      assert.equal(
        line,
        `${path} ${mode} ${owner}:${owner} 0 ${owner}.0 0 -> =${path === '/' ? '' : path} ${xattrs}`,
      );
    }
    const applied = applyLayers(ids.map((id) => ({ id, tree: fixture.read(id) })));
    assert.deepEqual(await applied.describe(fixture.dirOf), shown);
  });
}

test('commit() compares with the merged metadata, and records it', (t) => {
  const fixture = new LayerFixture(t);
  const base = layer(fixture, dir({ tmp: dir({}, 2) }, 1));
  const upper = layer(fixture, implied({ tmp: implied({ f: FILE }) }));
  const unchanged = fixture.step([base, upper], (sh) => {
    sh.chmod('/tmp', 0o700);
    sh.chmod('/tmp', 0o1777);
  });
  assert.equal(fixture.read(unchanged).entries.size, 0);
  const changed = fixture.step([base, upper], (sh) => sh.chmod('/tmp/f', 0o600));
  const root = fixture.read(changed);
  const tmp = root.entries.get(byteNameOf('tmp'));
  assert(tmp !== undefined && tmp !== WHITEOUT && tmp.kind === 'dir');
  assert.deepEqual([root.mtimeSec, root.implied], [1, undefined]);
  assert.deepEqual([tmp.mode, tmp.uid, tmp.mtimeSec, tmp.implied], [0o041777, 2, 2, undefined]);
});
