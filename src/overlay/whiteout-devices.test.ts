import assert from 'node:assert/strict';
import test from 'node:test';

import { S_IFBLK, S_IFCHR } from '../sys/constants.js';
import { hasCode } from '../util/errors.js';
import { LayerFixture, Shell } from '../testing/overlay-fixture.js';
import { OverlayFileSystem } from './overlay-filesystem.js';

/** What is done, and what a mount answers whose changes cannot hold whiteouts as devices. */
const CASES: readonly [string, (sh: Shell) => void, string | undefined][] = [
  ['mknod of a 0/0 character device', (sh) => void sh.mknod('/x', S_IFCHR | 0o600), 'EPERM'],
  ['mknod of a 1/3 character device', (sh) => void sh.mknod('/x', S_IFCHR, 0x103), undefined],
  ['mknod of a 0/0 block device', (sh) => void sh.mknod('/x', S_IFBLK), undefined],
  ['RENAME_WHITEOUT', (sh) => sh.mv('/f', '/x', 4), 'EINVAL'],
  ['RENAME_NOREPLACE', (sh) => sh.mv('/f', '/x', 1), undefined],
];

for (const [title, change, code] of CASES) {
  test(`where whiteouts are refused, ${title} answers ${code ?? 'success'}`, (t) => {
    const fixture = new LayerFixture(t);
    const base = fixture.step([], (sh) => sh.write('/f', 'f'));
    using overlay = fixture.open([base], fixture.newId());
    const sh = new Shell(new OverlayFileSystem(overlay, { refusesWhiteouts: true }));
    if (code === undefined) change(sh);
    else
      assert.throws(
        () => change(sh),
        (error) => hasCode(error, code),
      );
    assert.deepEqual(
      [sh.exists('/x'), sh.exists('/f')],
      [code === undefined, title !== 'RENAME_NOREPLACE'],
    );
  });
}
