import assert from 'node:assert/strict';
import test from 'node:test';
import { TestBuilds } from '../testing/builds.js';

const REFUSED: readonly (readonly [directory: string, found: string])[] = [
  ['/f', 'it is a file'],
  ['/f/below', 'a file is on the way'],
];
for (const [directory, found] of REFUSED) {
  test(`WORKDIR ${directory} is refused: ${found}`, async (t) => {
    const builds = await TestBuilds.create(t);
    const text = `FROM scratch\nCOPY <<E /f\nE\nWORKDIR ${directory}\n`;
    await assert.rejects(builds.build(text), {
      code: 'TSB_BUILD',
      message: `Cannot use WORKDIR "${directory}": ${found}, want a directory or nothing there`,
    });
  });
}
