import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';

import { runMounted } from '../testing/mounted.js';
import { CALLER, LayerFixture, Shell } from '../testing/overlay-fixture.js';
import { requires, type Requirement } from '../testing/requires.js';
import { byteNameOf } from '../util/byte-name.js';
import { hasCode } from '../util/errors.js';
import { ACL_ACCESS, ACL_DEFAULT } from './acl.js';
import { OverlayFileSystem } from './overlay-filesystem.js';

const TAGS = { u: [1, 2], g: [4, 8], m: [16, 16], o: [32, 32] } as const;

/** `u::rw-,u:5:r--,g::r--,m::r--,o::---` as an attribute's value. */
function acl(text: string): Buffer {
  const entries = text === '' ? [] : text.split(',');
  const bytes = Buffer.alloc(4 + 8 * entries.length);
  bytes.writeUInt32LE(2, 0);
  for (const [i, entry] of entries.entries()) {
    const [tag = '', id = '', rwx = ''] = entry.split(':');
    const permissions = rwx.split('').reduce((sum, bit) => sum * 2 + (bit === '-' ? 0 : 1), 0);
    bytes.writeUInt16LE(TAGS[tag as keyof typeof TAGS][id === '' ? 0 : 1], 4 + 8 * i);
    bytes.writeUInt16LE(permissions, 6 + 8 * i);
    bytes.writeUInt32LE(id === '' ? 0xffffffff : Number(id), 8 + 8 * i);
  }
  return bytes;
}

const FULL = 'u::rwx,u:5:rw-,g::r-x,g:6:rwx,m::rwx,o::r--';

function open(t: TestContext): Shell {
  const fixture = new LayerFixture(t);
  const base = fixture.step([], (sh) => {
    sh.write('/f', 'f', 0o2640);
    sh.mkdir('/d', 0o755);
    sh.symlink('f', '/l');
  });
  const overlay = fixture.open([base], fixture.newId());
  t.after(() => overlay[Symbol.dispose]());
  return new Shell(new OverlayFileSystem(overlay));
}

function setAcl(sh: Shell, file: string, name = ACL_ACCESS, value = acl(FULL), kill = false): void {
  sh.fs.setxattr({ nodeid: sh.id(file), name, value, flags: 0, killSgid: kill });
}

/** File, attribute, value, and what setting it answers, or the mode and whether it is kept. */
const SET: readonly [string, string, typeof ACL_ACCESS, Buffer, string | [number, boolean]][] = [
  ['a full ACL', '/f', ACL_ACCESS, acl(FULL), [0o2774, true]],
  ['a minimal ACL', '/f', ACL_ACCESS, acl('u::rwx,g::-w-,o::--x'), [0o2721, false]],
  [
    'three entries and a mask',
    '/f',
    ACL_ACCESS,
    acl('u::rw-,g::rwx,m::r--,o::---'),
    [0o2640, true],
  ],
  ['no entries', '/f', ACL_ACCESS, acl(''), [0o2640, false]],
  ['nothing', '/f', ACL_ACCESS, Buffer.alloc(0), [0o2640, false]],
  ['a default ACL of a directory', '/d', ACL_DEFAULT, acl(FULL), [0o755, true]],
  ['a minimal default ACL', '/d', ACL_DEFAULT, acl('u::rwx,g::---,o::---'), [0o755, true]],
  ['a default ACL of a file', '/f', ACL_DEFAULT, acl(FULL), 'EACCES'],
  ['no default ACL of a file', '/f', ACL_DEFAULT, acl(''), [0o2640, false]],
  ['a symbolic link', '/l', ACL_ACCESS, acl(FULL), 'EOPNOTSUPP'],
  ['another version', '/f', ACL_ACCESS, Buffer.from([1, 0, 0, 0]), 'EOPNOTSUPP'],
  ['half an entry', '/f', ACL_ACCESS, acl(FULL).subarray(0, 24), 'EINVAL'],
  ['no mask', '/f', ACL_ACCESS, acl('u::rwx,u:5:rw-,g::r-x,o::r--'), 'EINVAL'],
  ['no owner', '/f', ACL_ACCESS, acl('g::r-x,o::r--'), 'EINVAL'],
  ['a wrong order', '/f', ACL_ACCESS, acl('g::r-x,u::rwx,o::r--'), 'EINVAL'],
  ['an entry twice', '/f', ACL_ACCESS, acl('u::rwx,u::rwx,g::r-x,o::r--'), 'EINVAL'],
  ['no such user', '/f', ACL_ACCESS, acl('u::rwx,u:4294967295:rw-,g::r-x,m::rwx,o::r--'), 'EINVAL'],
];

for (const [title, file, name, value, want] of SET) {
  test(`setxattr() of ${title} answers ${String(want)}`, (t) => {
    const sh = open(t);
    if (typeof want === 'string') {
      const set = (): void => setAcl(sh, file, name, value);
      assert.throws(set, (error) => hasCode(error, want));
      return;
    }
    setAcl(sh, file, name, value);
    const kept = sh.fs.getxattr(sh.id(file), name);
    assert.deepEqual([sh.stat(file).mode & 0o7777, kept !== undefined], want);
    if (kept !== undefined) assert.deepEqual(kept, value);
  });
}

test('an ACL clears sgid where the kernel says so', (t) => {
  const sh = open(t);
  setAcl(sh, '/f', ACL_ACCESS, acl(FULL), true);
  assert.equal(sh.stat('/f').mode & 0o7777, 0o774);
});

test('chmod() changes the owner, the mask and the others of an ACL', (t) => {
  const sh = open(t);
  setAcl(sh, '/f');
  sh.chmod('/f', 0o610);
  const want = acl('u::rw-,u:5:rw-,g::r-x,g:6:rwx,m::--x,o::---');
  assert.deepEqual(sh.fs.getxattr(sh.id('/f'), ACL_ACCESS), want);
  sh.fs.removexattr(sh.id('/f'), ACL_ACCESS);
  assert.equal(sh.stat('/f').mode & 0o777, 0o610);
});

/** Default ACL, asked mode, umask, and the mode of the new node with its ACL. */
const INHERITED: readonly [string, number, number, number, string | undefined][] = [
  ['', 0o666, 0o027, 0o640, undefined],
  ['u::rwx,g::r-x,o::---', 0o666, 0o777, 0o640, undefined],
  [FULL, 0o666, 0o077, 0o664, 'u::rw-,u:5:rw-,g::r-x,g:6:rwx,m::rw-,o::r--'],
  [FULL, 0o700, 0, 0o700, 'u::rwx,u:5:rw-,g::r-x,g:6:rwx,m::---,o::---'],
];

for (const [text, asked, umask, mode, want] of INHERITED) {
  test(`a file of mode ${asked.toString(8)} in a directory with '${text}' gets ${mode.toString(8)}`, (t) => {
    const sh = open(t);
    const parent = sh.id('/d');
    if (text !== '') setAcl(sh, '/d', ACL_DEFAULT, acl(text));
    const make = { parent, name: byteNameOf('x'), mode: 0o100000 | asked, rdev: 0, umask };
    const { nodeid, attr } = sh.fs.create(make, 0, CALLER);
    assert.equal(attr.mode & 0o7777, mode);
    const kept = sh.fs.getxattr(nodeid, ACL_ACCESS);
    assert.deepEqual(kept, want === undefined ? undefined : acl(want));
    assert.equal(sh.fs.getxattr(nodeid, ACL_DEFAULT), undefined);

    const dir = sh.fs.mkdir({ ...make, name: byteNameOf('y'), mode: 0o40000 | asked }, CALLER);
    const handedDown = sh.fs.getxattr(dir.nodeid, ACL_DEFAULT);
    assert.deepEqual(handedDown, text === '' ? undefined : acl(text));
    sh.symlink('x', '/d/l');
    assert.equal(sh.stat('/d/l').mode & 0o777, 0o777);
  });
}

const NEEDS: readonly Requirement[] = ['root', 'fuse', 'program:unshare', 'program:setpriv'];

test('programs see ACLs, the kernel obeys them, and the layer has them', async (t) => {
  if (!requires(t, ...NEEDS, 'program:python3')) return;
  const fixture = new LayerFixture(t);
  const base = fixture.step([], (sh) => {
    sh.chmod('/', 0o755);
    sh.mkdir('/d');
    sh.write('/f', 'text', 0o600);
    setAcl(sh, '/f', ACL_ACCESS, acl('u::rw-,u:5:r--,g::---,m::r--,o::---'));
  });
  const as = (uid: number): string => `setpriv --reuid=${uid} --regid=9 --clear-groups`;
  const { output, upper } = await runMounted(
    fixture,
    [base],
    `
    ${as(5)} cat f; echo; ! ${as(6)} cat f 2> /dev/null
    stat -c %a f; chmod g= f; ! ${as(5)} cat f 2> /dev/null; chmod g=r f; ${as(5)} cat f; echo
    python3 - <<'END'
import os
value = bytes.fromhex('${acl(FULL).toString('hex')}')
os.setxattr('d', 'system.posix_acl_default', value)
assert os.getxattr('d', 'system.posix_acl_default') == value
assert os.stat('d').st_mode == 0o40755
open('g', 'w').close(); os.chmod('g', 0o600)
os.setxattr('g', 'system.posix_acl_access', value)
assert os.stat('g').st_mode == 0o100774
os.chmod('g', 0o640)
assert os.getxattr('g', 'system.posix_acl_access').hex() == '${acl('u::rw-,u:5:rw-,g::r-x,g:6:rwx,m::r--,o::---').toString('hex')}'
os.setxattr('g', 'system.posix_acl_access', bytes.fromhex('${acl('u::rw-,g::---,o::r--').toString('hex')}'))
assert os.listxattr('g') == [] and os.stat('g').st_mode == 0o100604
END
    umask 077; touch d/x plain; mkdir d/y; stat -c %a d/x d/y plain
    ${as(5)} sh -c 'echo more >> d/x'
    cp -p f copy; ls -l copy | cut -c 1-11
    `,
  );
  assert.equal(output, 'text\n640\ntext\n664\n774\n600\n-rw-r-----+\n');
  const lines = await fixture.show([base, upper]);
  const want = acl('u::rw-,u:5:rw-,g::r-x,g:6:rwx,m::rw-,o::r--').toString('hex');
  assert(lines.some((line) => line.startsWith('/d/x ') && line.includes(want)));
});
