import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';

import { runSteps, stepOn } from '../testing/mounted.js';
import { LayerFixture } from '../testing/overlay-fixture.js';
import { requires } from '../testing/requires.js';
import type { LogLevel } from '../util/log.js';

interface Line {
  readonly msg: string;
  readonly id?: number;
  readonly operation?: string;
  readonly arguments?: Readonly<Record<string, unknown>>;
  readonly errno?: number;
  readonly durationMicros?: number;
  readonly operations?: Readonly<Record<string, { readonly count: number }>>;
}

async function logOf(fixture: LayerFixture, level: LogLevel): Promise<Line[]> {
  const base = fixture.step([], (sh) => sh.write('/file', 'text'));
  const script = 'cat file; cat missing || true; echo new > made; rmdir made || true';
  const step = stepOn(fixture, [base], { script, end: 'commit' });
  const file = path.join(fixture.root, 'log');
  const [result] = await runSteps([step], { log: { level, file } });
  assert.deepEqual([result?.status, result?.error], [0, undefined]);
  assert.deepEqual(result?.report, {});
  const lines = fs.readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Line);
}

test('a server logs each operation on level trace', async (t) => {
  if (!requires(t, 'root', 'fuse', 'program:unshare', 'program:prlimit')) return;
  const lines = await logOf(new LayerFixture(t), 'trace');
  const calls = lines.filter(({ msg }) => msg === 'call');
  const results = new Map(
    lines.filter(({ msg }) => msg === 'result').map((each) => [each.id, each]),
  );
  assert.equal(calls.length, results.size);
  const errnoOf = (operation: string, name: string): number | undefined =>
    results.get(
      calls.find((call) => call.operation === operation && call.arguments?.['name'] === name)?.id,
    )?.errno;
  assert.equal(errnoOf('lookup', 'file'), 0);
  assert.equal(errnoOf('lookup', 'missing'), 0);
  assert.equal(errnoOf('create', 'made'), 0);
  const written = calls.find(({ operation }) => operation === 'write');
  assert.equal(written?.arguments?.['dataBytes'], 4);
  assert.ok((results.get(written.id)?.durationMicros ?? -1) >= 0);
});

test('a server logs figures on level debug', async (t) => {
  if (!requires(t, 'root', 'fuse', 'program:unshare', 'program:prlimit')) return;
  const [figures, ...rest] = await logOf(new LayerFixture(t), 'debug');
  assert.deepEqual([figures?.msg, rest], ['unmounted', []]);
  assert.ok((figures?.operations?.['lookup']?.count ?? 0) >= 3);
});

test('a server reports figures to its parent', async (t) => {
  if (!requires(t, 'root', 'fuse', 'program:unshare', 'program:prlimit')) return;
  const { mount, ...step } = stepOn(new LayerFixture(t), [], {
    script: 'echo x > f',
    end: 'commit',
  });
  const [result] = await runSteps([{ ...step, mount: { ...mount, stats: true } }]);
  const { create, write } = result?.report?.stats ?? {};
  assert.deepEqual([create?.count, write?.count, write?.failures], [1, 1, 0]);
});
