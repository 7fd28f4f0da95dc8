import assert from 'node:assert/strict';
import test from 'node:test';

import { FsError } from '../sys/errno.js';
import { fuzz } from '../testing/fuse-fuzz.js';
import { LayerFixture } from '../testing/overlay-fixture.js';
import { seedOf } from '../testing/random.js';
import { OverlayFileSystem } from './overlay-filesystem.js';

/** `FUZZ_REQUESTS=1000000 FUZZ_SEED=1` makes a run longer, or repeats one. */
const REQUESTS = Number(process.env['FUZZ_REQUESTS'] ?? 10_000);

test('random requests leave an overlay that can be committed', (t) => {
  const seed = seedOf('FUZZ_SEED');
  t.diagnostic(`FUZZ_SEED=${seed}`);
  const fixture = new LayerFixture(t);
  const base = fixture.step([], (shell) => {
    shell.write('lower', 'x'.repeat(100_000));
    shell.mkdir('dir');
    shell.write('dir/a', 'a');
    shell.ln('dir/a', 'dir/b');
    shell.symlink('a', 'dir/link');
  });
  const upper = fixture.newId();
  using overlay = fixture.open([base], upper);
  const report = fuzz(new OverlayFileSystem(overlay), { seed, requests: REQUESTS });
  t.diagnostic(`${report.successes} of ${report.requests} succeeded`);
  const unmeant = report.logged.filter((error) => !(error instanceof FsError));
  assert.deepEqual(unmeant.slice(0, 3), [], `FUZZ_SEED=${seed}`);
  overlay.commit();
  assert.doesNotThrow(() => fixture.read(upper), `FUZZ_SEED=${seed}`);
});
