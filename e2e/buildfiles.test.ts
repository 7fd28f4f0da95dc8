import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { assertGolden } from '../src/testing/golden.js';
import { requires } from '../src/testing/requires.js';
import { ensureTestUser } from '../src/testing/user.js';
import type { Outcome } from './buildfiles/process.js';

/**
 * The Buildfile language, carried out, as root and as an ordinary user: fixtures/buildfiles has
 * a folder for each feature, and a README that tells its form. `BUILDFILES=WORD,WORD` builds
 * only the folders whose names contain one of the words.
 */
const NEEDS = ['root', 'fuse', 'program:busybox', 'program:newuidmap'] as const;
const FIXTURES = join(import.meta.dirname, '../../fixtures/buildfiles');
const PROCESS = fileURLToPath(new URL('./buildfiles/process.js', import.meta.url));
const WORDS = (process.env['BUILDFILES'] ?? '').split(',');
const CASES = readdirSync(FIXTURES, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && entry.name !== 'base')
  .map(({ name }) => name)
  .filter((name) => WORDS.some((word) => name.includes(word)))
  .sort();
const ROOT_ONLY = 'root-only';
const isRootOnly = (name: string): boolean => existsSync(join(FIXTURES, name, ROOT_ONLY));

/** Starts the builds of `names`; what becomes of each is there when it has ended. */
function startBuilds(
  names: readonly string[],
  { work, user }: { work: string; user?: string },
): Map<string, Promise<Outcome>> {
  mkdirSync(work);
  if (user !== undefined) execFileSync('chown', [user, work]);
  const prefix = user === undefined ? [] : ['runuser', '-u', user, '--'];
  const [file = '', ...args] = [...prefix, process.execPath, PROCESS, FIXTURES, work, ...names];
  const env = { ...process.env, ...(user !== undefined && { HOME: work }), SOURCE_DATE_EPOCH: '' };
  const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const outcomes = new Map<string, (outcome: Outcome) => void>();
  const ended = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('close', () => reject(new Error('the process that builds has ended')));
  });
  ended.catch(() => undefined);
  const promises = names.map((name) => {
    const outcome = new Promise<Outcome>((resolve) => outcomes.set(name, resolve));
    const either = Promise.race([outcome, ended]);
    either.catch(() => undefined);
    return [name, either] as const;
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    const outcome = JSON.parse(line) as Outcome;
    outcomes.get(outcome.name)?.(outcome);
  });
  return new Map(promises);
}

/** A new fixture gets the file that its build asks for; the others keep theirs. */
function goldenOf(name: string, { exitCode, text }: Outcome): string {
  const [image, error] = ['expected', 'expected-error'].map((file) => join(FIXTURES, name, file));
  assert.ok(image !== undefined && error !== undefined);
  if (exitCode === 0) {
    assert.ok(!existsSync(error), `the build succeeded, want expected-error:\n${text}`);
    return image;
  }
  assert.ok(!existsSync(image), `the build failed:\n${text}`);
  return error;
}

describe('fixtures/buildfiles', { concurrency: true }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'tsbuild-buildfiles-'));
  chmodSync(dir, 0o755);
  let root: Map<string, Promise<Outcome>> | undefined;
  let rootless: Map<string, Promise<Outcome>> | undefined;
  after(() => rmSync(dir, { recursive: true, force: true }));

  before(() => {
    if (process.getuid?.() !== 0) return;
    const user = ensureTestUser().name;
    root = startBuilds(CASES, { work: join(dir, 'root') });
    const names = CASES.filter((name) => !isRootOnly(name));
    rootless = startBuilds(names, { work: join(dir, 'rootless'), user });
  });

  for (const name of CASES) {
    test(`${name} as root`, async (t) => {
      if (!requires(t, ...NEEDS)) return;
      const outcome = await root?.get(name);
      assert.ok(outcome !== undefined);
      assertGolden(goldenOf(name, outcome), outcome.text);
    });
    if (isRootOnly(name)) continue;
    test(`${name} as an ordinary user`, async (t) => {
      if (!requires(t, ...NEEDS)) return;
      const [outcome, asRoot] = [await rootless?.get(name), await root?.get(name)];
      assert.ok(outcome !== undefined);
      assert.equal(outcome.text, asRoot?.text);
    });
  }
});
