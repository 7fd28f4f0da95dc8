import assert from 'node:assert/strict';
import test from 'node:test';

import { LayerFixture, Shell } from '../testing/overlay-fixture.js';
import { OverlayFileSystem } from './overlay-filesystem.js';

const CALLER = { uid: 0, gid: 0, pid: 1 };
const TEXT = 'text';

/** What changes a file's bytes; the kernel stamps it first, and sends its time later. */
const CHANGES: readonly [string, (sh: Shell) => void][] = [
  ['write()', (sh) => sh.pwrite('/f', 'more', 1)],
  ...[0, 1, 3, 16].map((mode): [string, (sh: Shell) => void] => [
    `fallocate() with mode ${mode}`,
    (sh) => sh.fs.fallocate({ nodeid: sh.id('/f'), fh: 0, offset: 1, length: 9, mode }),
  ]),
  [
    'copyFileRange()',
    (sh) => {
      const ends = { fhIn: 0, fhOut: 0, offsetIn: 0, offsetOut: 1, length: TEXT.length };
      sh.fs.copyFileRange({ nodeidIn: sh.id('/g'), nodeidOut: sh.id('/f'), ...ends });
    },
  ],
];

for (const [title, change] of CHANGES) {
  test(`${title} leaves the times to the kernel`, (t) => {
    const fixture = new LayerFixture(t);
    using overlay = fixture.open([], fixture.newId());
    const sh = new Shell(new OverlayFileSystem(overlay));
    sh.write('/f', TEXT);
    sh.write('/g', TEXT);
    const time = { sec: 5, nsec: 6 };
    sh.fs.setattr(sh.id('/f'), { mtime: time, ctime: time, killSuidgid: false }, CALLER);
    change(sh);
    const { mtimeSec, mtimeNsec, ctimeSec, ctimeNsec } = sh.stat('/f');
    assert.deepEqual([mtimeSec, mtimeNsec, ctimeSec, ctimeNsec], [5, 6, 5, 6]);
  });
}
