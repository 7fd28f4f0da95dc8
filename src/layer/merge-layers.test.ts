import assert from 'node:assert/strict';
import test from 'node:test';
import { byteNameOf, displayName, type ByteName } from '../util/byte-name.js';
import { mergeLayers } from './merge-layers.js';
import { WHITEOUT, type InodeMeta, type LayerDir, type LayerId, type LayerNode } from './types.js';

type Entries = Readonly<Record<string, LayerNode | typeof WHITEOUT>>;

const IDS = ['1', '2', '3'].map((digit) => digit.repeat(32) as LayerId);

function meta(mode: number): InodeMeta {
  const times = { mtimeSec: 1, mtimeNsec: 2 };
  return { mode, uid: 3, gid: 4, ...times, rdevMajor: 0, rdevMinor: 0, xattrs: undefined };
}

function dir(entries: Entries, rest: Partial<LayerDir> = {}): LayerDir {
  const named = Object.entries(entries).map(([name, node]) => [byteNameOf(name), node] as const);
  return { ...meta(0o40755), kind: 'dir', opaque: false, entries: new Map(named), ...rest };
}

function file(size: number): LayerNode {
  const content = { kind: 'pack', layer: undefined, offset: size } as const;
  return { ...meta(0o100644), kind: 'file', size, content };
}

function socket(replaces: boolean): LayerNode {
  return { ...meta(0o140755), kind: 'special', ...(replaces && { replaces: true }) };
}

/** `d/` a directory (`d/!` opaque, `d/?` implied), `f=LAYER:SIZE`, `-w` a whiteout, `s` else. */
function describe(node: LayerDir, prefix = ''): string[] {
  return [...node.entries].flatMap(([name, entry]) => {
    const path = `${prefix}${displayName(name)}`;
    if (entry === WHITEOUT) return [`-${path}`];
    if (entry.kind === 'file') return [`${path}=${entry.content?.layer?.[0] ?? '?'}:${entry.size}`];
    if (entry.kind === 'special') return [entry.replaces === true ? `${path}+` : path];
    if (entry.kind !== 'dir') return [path];
    const marks = `${entry.opaque ? '!' : ''}${entry.implied === true ? '?' : ''}`;
    return [`${path}/${marks}`, ...describe(entry, `${path}/`)];
  });
}

const TABLE: readonly (readonly [
  name: string,
  layers: readonly LayerDir[],
  below: Readonly<Record<string, 'dir' | 'other'>>,
  want: readonly string[],
])[] = [
  ['files of all', [dir({ b: file(1) }), dir({ a: file(2) })], {}, ['a=2:2', 'b=1:1']],
  ['the later one of two', [dir({ a: file(1) }), dir({ a: file(2) })], {}, ['a=2:2']],
  ['nothing for a file that went', [dir({ a: file(1) }), dir({ a: WHITEOUT })], {}, []],
  ['a whiteout', [dir({ a: file(1) }), dir({ a: WHITEOUT })], { a: 'other' }, ['-a']],
  ['a file that came back', [dir({ a: WHITEOUT }), dir({ a: file(2) })], { a: 'other' }, ['a=2:2']],
  [
    'a directory that came back, hiding the old one',
    [dir({ d: WHITEOUT }), dir({ d: dir({ x: file(2) }) })],
    { d: 'dir', 'd/y': 'other' },
    ['d/!', 'd/x=2:2'],
  ],
  [
    'a directory that came back, with nothing to hide',
    [dir({ d: WHITEOUT }), dir({ d: dir({ x: file(2) }) })],
    { d: 'other' },
    ['d/', 'd/x=2:2'],
  ],
  [
    'a directory in place of a file in place of a directory',
    [dir({ d: file(1) }), dir({ d: dir({ x: file(2) }) })],
    { d: 'dir' },
    ['d/!', 'd/x=2:2'],
  ],
  [
    'an opaque directory over one with files',
    [dir({ d: dir({ x: file(1) }) }), dir({ d: dir({ y: file(2) }, { opaque: true }) })],
    { d: 'dir', 'd/x': 'other' },
    ['d/!', 'd/y=2:2'],
  ],
  [
    'what is laid into an opaque directory',
    [
      dir({ d: dir({ x: file(1) }, { opaque: true }) }),
      dir({ d: dir({ x: WHITEOUT, y: file(2) }) }),
    ],
    { d: 'dir', 'd/x': 'other' },
    ['d/!', 'd/y=2:2'],
  ],
  [
    'an opaque directory below a directory that is not below',
    [dir({ d: dir({ e: WHITEOUT }) }), dir({ d: dir({ e: dir({ x: file(2) }) }) })],
    {},
    ['d/', 'd/e/', 'd/e/x=2:2'],
  ],
  [
    'an implied directory, while nobody says more',
    [dir({ d: dir({ x: file(1) }, { implied: true }) }), dir({ d: dir({}, { implied: true }) })],
    { d: 'dir' },
    ['d/?', 'd/x=1:1'],
  ],
  [
    'a directory that is implied later',
    [dir({ d: dir({}) }), dir({ d: dir({ x: file(2) }, { implied: true }) })],
    { d: 'dir' },
    ['d/', 'd/x=2:2'],
  ],
  [
    'a socket over something',
    [dir({ s: WHITEOUT }), dir({ s: socket(false) })],
    { s: 'other' },
    ['s+'],
  ],
  ['a socket over nothing', [dir({ s: file(1) }), dir({ s: socket(true) })], {}, ['s']],
];
for (const [name, roots, below, want] of TABLE) {
  test(`mergeLayers() keeps ${name}`, () => {
    const layers = roots.flatMap((root, index) => {
      const id = IDS[index];
      return id === undefined ? [] : [{ id, root }];
    });
    const findBelow = (path: ByteName): 'dir' | 'other' | undefined =>
      path === '' ? 'dir' : below[displayName(path)];
    assert.deepEqual(describe(mergeLayers(layers, findBelow)), want);
  });
}

test('mergeLayers() keeps hard links, of the layer that has them', () => {
  const [old, linked] = [file(1), file(2)];
  const [first, second] = IDS;
  assert.ok(first !== undefined && second !== undefined);
  const merged = mergeLayers(
    [
      { id: first, root: dir({ a: old, b: old, c: old }) },
      { id: second, root: dir({ a: linked, d: linked }) },
    ],
    () => undefined,
  );
  const at = (name: string): unknown => merged.entries.get(byteNameOf(name));
  assert.equal(at('a'), at('d'));
  assert.equal(at('b'), at('c'));
  assert.notEqual(at('a'), at('b'));
});
