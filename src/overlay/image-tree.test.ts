import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';

import { byteNameOf, type ByteName } from '../util/byte-name.js';
import { LayerFixture, describeTree, type Shell } from '../testing/overlay-fixture.js';
import { ImageTree, type NodeMeta, type TreeNode } from './image-tree.js';

const META: NodeMeta = { mode: 0o755, uid: 1, gid: 2, mtime: { sec: 77, nsec: 88 } };
const name = byteNameOf;

function find(tree: ImageTree, path: string, followLast = true): TreeNode {
  const node = tree.resolve(name(path), { followLast });
  assert(node !== undefined, path);
  return node;
}

function populate(sh: Shell): void {
  sh.mkdir('/usr');
  sh.mkdir('/usr/bin');
  sh.write('/usr/bin/sh', Buffer.alloc(400_000, 3), 0o755);
  sh.ln('/usr/bin/sh', '/usr/bin/dash');
  sh.symlink('usr/bin', '/bin');
  sh.symlink('/../../etc', '/up');
  sh.symlink('loop', '/loop');
  sh.mkdir('/etc');
  sh.write('/etc/passwd', 'root:x:0:0');
}

test('resolve() follows symlinks inside the root only', (t) => {
  const fixture = new LayerFixture(t);
  using overlay = fixture.open([fixture.step([], populate)]);
  const tree = new ImageTree(overlay);
  assert.equal(find(tree, '/bin/sh'), find(tree, '/usr/bin/sh'));
  assert.equal(find(tree, '/../../../up/passwd'), find(tree, 'etc/passwd'));
  assert.equal(tree.readlink(find(tree, '/bin', false)), 'usr/bin');
  assert.equal(find(tree, '/bin'), find(tree, '/usr/bin/.'));
  assert.equal(find(tree, '/'), find(tree, ''));
  assert.equal(tree.resolve(name('/none/x'), { followLast: true }), undefined);
  assert.throws(() => find(tree, '/loop'), { code: 'ELOOP' });
  assert.throws(() => find(tree, '/etc/passwd/x'), { code: 'ENOTDIR' });
  assert.throws(() => find(tree, '/etc/passwd/'), { code: 'ENOTDIR' });
  assert.deepEqual(
    [...tree.children(find(tree, '/usr/bin'))].map(([n]) => n),
    ['dash', 'sh'],
  );
});

test('resolve() and mkdirs() stay below another root', (t) => {
  const fixture = new LayerFixture(t);
  using overlay = fixture.open([fixture.step([], populate)], fixture.newId());
  const tree = new ImageTree(overlay);
  const root = tree.mkdirs(name('/srv/root'), META);
  const at = (path: string): TreeNode | undefined =>
    tree.resolve(name(path), { followLast: true, root });
  tree.makeNode(root, name('up'), META, { kind: 'symlink', target: name('../../../etc') });
  tree.makeNode(root, name('abs'), META, { kind: 'symlink', target: name('/etc') });
  assert.equal(at('/..'), root);
  assert.equal(at('up/passwd'), undefined);
  const made = tree.mkdirs(name('/up/../../new/../x'), META, root);
  assert.equal(made, find(tree, '/srv/root/x'));
  assert.equal(tree.mkdirs(name('abs'), META, root), find(tree, '/srv/root/etc'));
});

test('the image tree reads, digests and limits files', async (t) => {
  const fixture = new LayerFixture(t);
  using overlay = fixture.open([fixture.step([], populate)]);
  const tree = new ImageTree(overlay);
  assert.equal(tree.readAll(find(tree, '/etc/passwd'), 100).toString(), 'root:x:0:0');
  assert.throws(() => tree.readAll(find(tree, '/bin/sh'), 100), { code: 'TSB_LIMIT' });
  const want = createHash('sha256').update(Buffer.alloc(400_000, 3)).digest('hex');
  assert.equal(await tree.contentDigest(find(tree, '/bin/sh')), `sha256:${want}`);
});

test('the image tree makes and copies, sharing contents of lower layers', async (t) => {
  const fixture = new LayerFixture(t);
  const base = fixture.step([], populate);
  const target = fixture.step([], (sh) => sh.symlink('opt/real', '/app'));
  const upper = fixture.newId();
  {
    using source = fixture.open([base]);
    using overlay = fixture.open([target], upper);
    const from = new ImageTree(source);
    const to = new ImageTree(overlay);
    const app = to.mkdirs(name('/app/deep/er'), META);
    const own = { uid: 5, gid: 6 };
    to.copyNode(from, find(from, '/usr'), app, name('usr'), own);
    await to.writeFile(app, name('new'), { ...META, mode: 0o600 }, Buffer.from('text'));
    await to.writeFile(app, name('new'), { ...META, mode: 0o600 }, [Buffer.from('text2')]);
    to.makeNode(app, name('link'), META, { kind: 'symlink', target: name('new') });
    to.copyNode(to, app, find(to, '/opt'), name('copy'));
    to.remove(find(to, '/opt/copy'), name('usr'));
    assert.throws(() => to.makeNode(app, name('link'), META, { kind: 'dir' }), { code: 'EEXIST' });
    const { contentBytes } = overlay.commit();
    assert.equal(contentBytes, 10);
  }
  const lines = await fixture.show([target, upper]);
  const paths = lines.map((line) => line.split(' ')[0]);
  const real = ['', '/link', '/new', '/usr', '/usr/bin', '/usr/bin/dash', '/usr/bin/sh'];
  assert.deepEqual(paths, [
    ...['/', '/app', '/opt', '/opt/copy', '/opt/copy/link', '/opt/copy/new', '/opt/real'],
    ...['/opt/real/deep', ...real.map((each) => `/opt/real/deep/er${each}`)],
  ]);
  const sh = lines.find((line) => line.startsWith('/opt/real/deep/er/usr/bin/sh'));
  assert.match(sh ?? '', / 100755 5:6 .*=\/opt\/real\/deep\/er\/usr\/bin\/dash/);
});

test('writeFile() leaves holes where there are zeros', async (t) => {
  const fixture = new LayerFixture(t);
  const [zeros, page] = [Buffer.alloc(1024 * 1024), Buffer.alloc(4096, 7)];
  for (const chunks of [[zeros, page, zeros], [page, zeros, page], [zeros], [Buffer.alloc(10)]]) {
    using overlay = fixture.open([], fixture.newId());
    const tree = new ImageTree(overlay);
    const node = await tree.writeFile(tree.root, name('f'), META, chunks);
    const whole = Buffer.concat(chunks);
    assert.equal(node.size, whole.length);
    assert(tree.readAll(node, whole.length).equals(whole));
    assert.equal(node.mtimeSec, 77);
  }
});

test('mtimeMax bounds what a commit records', async (t) => {
  const fixture = new LayerFixture(t);
  const base = fixture.step([], populate);
  const upper = fixture.newId();
  {
    using overlay = fixture.open([base], upper);
    const tree = new ImageTree(overlay);
    await tree.writeFile(tree.root, name('x'), { mode: 0o644, uid: 0, gid: 0 }, Buffer.from('x'));
    overlay.commit({ mtimeMax: 99 });
  }
  const shown = await fixture.show([base, upper]);
  assert.match(shown.find((line) => line.startsWith('/x ')) ?? '', / 99\.0 /);
});

test('reading goes on after a commit, changing does not', async (t) => {
  const fixture = new LayerFixture(t);
  using overlay = fixture.open([fixture.step([], populate)], fixture.newId());
  const tree = new ImageTree(overlay);
  const make = (file: ByteName): Promise<TreeNode> =>
    tree.writeFile(tree.root, file, META, Buffer.from('x'));
  await make(name('x'));
  overlay.commit();
  assert.equal(tree.readAll(find(tree, '/x'), 10).toString(), 'x');
  assert((await describeTree(tree)).length > 5);
  await assert.rejects(make(name('y')), { code: 'EROFS' });
});
