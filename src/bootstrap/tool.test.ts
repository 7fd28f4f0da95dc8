import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { requires } from '../testing/requires.js';
import { UserError } from '../util/errors.js';
import { findTool, toolCommand, type ToolJob } from './tool.js';
import { runTool, type ToolRun } from './tool-process.js';

const ARCHIVES: ToolJob['archives'] = [
  { uris: ['http://m/debian'], suites: ['sid', 'sid-updates'], components: ['main'] },
  { uris: ['http://m/security'], suites: ['sid-security'], components: ['main'] },
];
const JOB: ToolJob = {
  suite: 'sid',
  archives: ARCHIVES,
  variant: 'minbase',
  include: ['ca-certificates', 'curl'],
  asRoot: false,
};

function tempDir(t: TestContext, tools: readonly string[] = []): string {
  const dir = mkdtempSync(join(tmpdir(), 'tool-test-'));
  t.after(() => rmSync(dir, { recursive: true }));
  for (const tool of tools) {
    writeFileSync(join(dir, tool), '#!/bin/sh\n');
    chmodSync(join(dir, tool), 0o755);
  }
  return dir;
}

test('toolCommand() for mmdebstrap', () => {
  assert.deepEqual(toolCommand({ name: 'mmdebstrap', path: '/m' }, JOB), [
    ...['/m', '--mode=root', '--format=tar', '--variant=minbase', '--skip=chroot/mount/sys'],
    ...['--include=ca-certificates,curl', 'sid', '-', 'deb http://m/debian sid main'],
    ...['deb http://m/debian sid-updates main', 'deb http://m/security sid-security main'],
  ]);
});

test('toolCommand() for debootstrap', () => {
  const command = toolCommand({ name: 'debootstrap', path: '/d' }, { ...JOB, asRoot: true });
  assert.deepEqual(command.slice(0, 2), ['env', 'MIRROR=http://m/debian']);
  assert.deepEqual(command.slice(-5), [
    ...['/d', '--variant=minbase', '--components=main', '--include=ca-certificates,curl', 'sid'],
  ]);
});

for (const [what, job] of [
  ['a variant', { ...JOB, variant: 'tiny' }],
  ['an option as a package', { ...JOB, include: ['--hook'] }],
] as const) {
  test(`toolCommand() refuses ${what}`, () => {
    assert.throws(() => toolCommand({ name: 'mmdebstrap', path: '/m' }, job), {
      code: 'TSB_BOOTSTRAP',
    });
  });
}

test('findTool() prefers mmdebstrap, and debootstrap is for root', (t) => {
  const both = tempDir(t, ['debootstrap', 'mmdebstrap']);
  const one = tempDir(t, ['debootstrap']);
  assert.equal(findTool(both, { asRoot: true }).name, 'mmdebstrap');
  assert.equal(findTool(one, { asRoot: true }).name, 'debootstrap');
  for (const [dir, asRoot] of [
    [one, false],
    [tempDir(t), true],
  ] as const) {
    assert.throws(() => findTool(dir, { asRoot }), {
      code: 'TSB_MISSING_TOOL',
      hint: 'sudo apt-get install mmdebstrap',
    });
  }
});

function shell(script: string, options: Partial<ToolRun> = {}): ToolRun {
  const env = { PATH: process.env['PATH'] ?? '' };
  const command = ['sh', '-c', script];
  const rest = { failureHint: 'try again', signal: undefined, onOutput: undefined };
  return { command, env, asRoot: true, ...rest, ...options };
}

async function collect(output: AsyncIterable<Buffer>): Promise<string> {
  let text = '';
  for await (const chunk of output) text += chunk.toString();
  return text;
}

/** Gives temporary directories of the test's own process a place; returns what is in it. */
function watchTemporaries(t: TestContext): () => string[] {
  const dir = tempDir(t);
  const before = process.env['TMPDIR'];
  process.env['TMPDIR'] = dir;
  t.after(() => {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
  });
  return () => readdirSync(dir);
}

test('runTool() hands the output over and removes the files', async (t) => {
  if (!requires(t, 'root')) return;
  const leftovers = watchTemporaries(t);
  const said: Buffer[] = [];
  const run = shell('echo out; echo said >&2; touch "$TMPDIR/file"; ls "$TMPDIR"', {
    onOutput: (chunk) => said.push(chunk),
  });
  assert.equal(await runTool(run, collect), 'out\nfile\n');
  assert.equal(Buffer.concat(said).toString(), 'said\n');
  assert.deepEqual(leftovers(), []);
});

test('runTool() repeats the last lines of a tool that fails', async (t) => {
  if (!requires(t, 'root')) return;
  const run = shell('for i in $(seq 1 20); do echo "line $i" >&2; done; exit 3');
  await assert.rejects(runTool(run, collect), (error) => {
    assert.ok(error instanceof UserError);
    assert.match(error.message, /^Cannot bootstrap: \w+ failed with exit status 3\nline 9\n/);
    assert.match(error.message, /\nline 20$/);
    assert.equal(error.hint, 'try again');
    return true;
  });
});

test('runTool() ends what it started when aborted', async (t) => {
  if (!requires(t, 'root')) return;
  const leftovers = watchTemporaries(t);
  const abort = new AbortController();
  const reason = new Error('stopped');
  const run = shell('touch "$TMPDIR/x"; echo ready; trap "" TERM INT; sleep 60 & sleep 60', {
    signal: abort.signal,
  });
  const running = runTool(run, async (output) => {
    for await (const _chunk of output) abort.abort(reason);
  });
  await assert.rejects(running, reason);
  assert.deepEqual(leftovers(), []);
});

test('runTool() ends the tool when its output is of no use', async (t) => {
  if (!requires(t, 'root')) return;
  const leftovers = watchTemporaries(t);
  const running = runTool(shell('echo ready; sleep 60'), () => Promise.reject(new Error('full')));
  await assert.rejects(running, /full/);
  assert.deepEqual(leftovers(), []);
});
