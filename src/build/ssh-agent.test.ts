import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import { requires } from '../testing/requires.js';
import { forwardAgent, type ForwardedAgent } from './ssh-agent.js';

const NEEDS = ['program:ssh-agent', 'program:ssh-add', 'program:ssh-keygen'] as const;
const NO_OWNER = { mode: undefined, uid: undefined, gid: undefined };
const run = promisify(execFile);

interface Place {
  readonly key: string;
  readonly dir: string;
}

function placeOf(t: TestContext): Place {
  const work = mkdtempSync(join(tmpdir(), 'tsbuild-ssh-'));
  t.after(() => rmSync(work, { recursive: true, force: true }));
  const key = join(work, 'key');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'of-the-test', '-f', key]);
  // Longer than the path of a socket may be.
  const dir = join(work, 'x'.repeat(120));
  mkdirSync(dir);
  return { key, dir };
}

function forward({ dir }: Place, paths: readonly string[]): Promise<ForwardedAgent> {
  return forwardAgent({ source: { id: 'default', paths }, dir, owner: NO_OWNER });
}

/** ssh-add asks the agent by a path that is short enough. */
async function ask(dir: string, name: string, args: readonly string[]): Promise<string> {
  const options = { cwd: dir, env: { PATH: process.env['PATH'], SSH_AUTH_SOCK: name } };
  const { stdout, stderr } = await run('ssh-add', [...args], options);
  return stdout + stderr;
}

test('forwardAgent() has the keys of a file, which can be used and not removed', async (t) => {
  if (!requires(t, ...NEEDS)) return;
  const place = placeOf(t);
  // ssh-add itself would refuse such a file.
  chmodSync(place.key, 0o644);
  const agent = await forward(place, [place.key]);
  assert.equal(statSync(join(place.dir, agent.name)).mode & 0o777, 0o600);
  assert.match(await ask(place.dir, agent.name, ['-l']), /of-the-test \(ED25519\)/);
  await assert.rejects(ask(place.dir, agent.name, ['-D']));
  assert.match(await ask(place.dir, agent.name, ['-T', `${place.key}.pub`]), /^$/);
  await agent[Symbol.asyncDispose]();
  assert.equal(existsSync(join(place.dir, agent.name)), false);
  await assert.rejects(ask(place.dir, 'keys', ['-l']));
});

test('forwardAgent() leads to an agent that runs', async (t) => {
  if (!requires(t, ...NEEDS)) return;
  const [own, place] = [placeOf(t), placeOf(t)];
  const upstream = await forward(own, [own.key]);
  const agent = await forward(place, [join(own.dir, upstream.name)]);
  assert.match(await ask(place.dir, agent.name, ['-l']), /of-the-test/);
  await agent[Symbol.asyncDispose]();
  assert.match(await ask(own.dir, upstream.name, ['-l']), /of-the-test/);
  await upstream[Symbol.asyncDispose]();
});

test('forwardAgent() refuses what is no key, is missing, or stands beside a socket', async (t) => {
  if (!requires(t, ...NEEDS)) return;
  const place = placeOf(t);
  const text = join(place.dir, 'text');
  writeFileSync(text, 'text\n');
  await assert.rejects(forward(place, [text]), { code: 'TSB_CONTEXT' });
  await assert.rejects(forward(place, [`${text}-absent`]), { code: 'TSB_CONTEXT' });
  const locked = join(place.dir, 'locked');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', 'phrase', '-f', locked]);
  await assert.rejects(forward(place, [locked]), { code: 'TSB_CONTEXT', hint: /passphrase/ });
  assert.ok(!readdirSync(place.dir).includes('agent'));
});
