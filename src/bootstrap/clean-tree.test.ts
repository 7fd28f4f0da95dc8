import assert from 'node:assert/strict';
import test from 'node:test';
import type { LayerDir, LayerNode } from '../layer/types.js';
import { byteNameOf } from '../util/byte-name.js';
import { clampTimes, cleanTree, findNode, setNode } from './clean-tree.js';

const META = {
  mode: 0o644,
  uid: 0,
  gid: 0,
  mtimeSec: 100,
  mtimeNsec: 5,
  rdevMajor: 0,
  rdevMinor: 0,
  xattrs: undefined,
};

function file(size = 1): LayerNode {
  return { ...META, kind: 'file', size, content: undefined };
}

function dir(entries: Record<string, LayerNode> = {}): LayerDir {
  const names = Object.entries(entries).map(([name, node]) => [byteNameOf(name), node] as const);
  return { ...META, kind: 'dir', opaque: false, entries: new Map(names) };
}

function pathsOf(tree: LayerDir, prefix = ''): string[] {
  return [...tree.entries].flatMap(([name, node]) => {
    const path = prefix + name;
    const below = typeof node === 'object' && node.kind === 'dir' ? pathsOf(node, `${path}/`) : [];
    return [path, ...below];
  });
}

test('cleanTree() takes away the traces of the machine and keeps the rest', () => {
  const tree = dir({
    dev: dir({ null: { ...META, kind: 'special' } }),
    etc: dir({ hostname: file(), 'resolv.conf': file(), passwd: file() }),
    run: dir({ lock: dir({ x: file() }), 'a.pid': file() }),
    var: dir({
      cache: dir({ apt: dir({ archives: dir({ 'a.deb': file() }), 'pkgcache.bin': file() }) }),
      lib: dir({
        apt: dir({ lists: dir({ a: file(), partial: dir() }) }),
        dpkg: dir({ status: file(), 'status-old': file() }),
      }),
      log: dir({ 'dpkg.log': file(9), wtmp: file(0), apt: dir({ 'term.log': file() }) }),
    }),
  });
  assert.deepEqual(pathsOf(cleanTree(tree)), [
    ...['dev', 'etc', 'etc/passwd', 'run', 'run/lock', 'var', 'var/cache', 'var/cache/apt'],
    ...['var/cache/apt/archives', 'var/lib', 'var/lib/apt', 'var/lib/apt/lists'],
    ...['var/lib/apt/lists/partial', 'var/lib/dpkg', 'var/lib/dpkg/status'],
    ...['var/log', 'var/log/wtmp', 'var/log/apt'],
  ]);
  assert.equal(findNode(tree, 'etc/hostname')?.kind, 'file');
});

test('setNode() puts a node into an existing directory only', () => {
  const node = file(7);
  assert.equal(findNode(setNode(dir({ etc: dir() }), 'etc/x', node), 'etc/x'), node);
  assert.deepEqual(pathsOf(setNode(dir(), 'etc/x', node)), []);
});

test('clampTimes() keeps hard links', () => {
  const linked = file();
  const tree = clampTimes(
    dir({ a: linked, b: dir({ c: linked }), old: { ...file(), mtimeSec: 1 } }),
    50,
  );
  const clamped = findNode(tree, 'a');
  assert.equal(clamped, findNode(tree, 'b/c'));
  assert.deepEqual([clamped?.mtimeSec, clamped?.mtimeNsec], [50, 0]);
  assert.deepEqual([tree.mtimeSec, findNode(tree, 'b')?.mtimeSec], [50, 50]);
  assert.deepEqual([findNode(tree, 'old')?.mtimeSec, findNode(tree, 'old')?.mtimeNsec], [1, 5]);
});
