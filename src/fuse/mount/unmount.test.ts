import assert from 'node:assert/strict';
import test from 'node:test';

import { MemoryMount, canMount } from '../../testing/memory-mount.js';

const USE = `
dir=$PWD; exec 3> held; cd /
umount "$dir" 2>&1 | grep -o busy; ls "$dir"
umount -l "$dir"; ls "$dir"; mountpoint -q "$dir" || echo unmounted
echo text >&3; echo more >&3; cat /proc/$$/fd/3; kill -0 SERVER && echo served`;

for (const mode of ['sync', 'async']) {
  test(`a mount with an open file goes lazily, its server with the file: ${mode}`, async (t) => {
    if (!canMount(t)) return;
    await using mount = await MemoryMount.start(mode);
    const said = mount.run(USE.replace('SERVER', mount.pid));
    assert.equal(said, 'busy\nheld\nunmounted\ntext\nmore\nserved\n');
    assert.deepEqual(await mount.ended(), ['unmounted', 0]);
  });
}
