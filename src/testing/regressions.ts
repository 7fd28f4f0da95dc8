import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';

import type { LayerId } from '../layer/types.js';
import { runSteps, stepOn } from './mounted.js';
import { outlineLayer } from './outline-layer.js';
import type { MountedResult, MountedStep } from './mounted-shell-process.js';
import { LayerFixture, type Shell } from './overlay-fixture.js';
import { recheckLayers } from './recheck.js';
import { requires } from './requires.js';

/** Something that has gone wrong in an overlay, and what must happen instead. */
export interface Regression {
  /** What the case shows. */
  readonly title: string;
  /** What lower layers have besides the tree of all cases; base first. */
  readonly lower?: ((sh: Shell) => void) | readonly ((sh: Shell) => void)[];
  /** Bash, in the mount; a command that fails fails the test. */
  readonly script: string;
  /** What it must write; default: nothing. */
  readonly want?: string;
  /** Names of the new layer, as paths with a `/` behind directories, `-` before whiteouts. */
  readonly layer?: readonly string[];
}

/** The lower tree of cases that ask for no other. */
function populate(sh: Shell): void {
  sh.write('/file', 'lower file\n');
  sh.write('/other', 'other file\n');
  sh.write('/big', Buffer.alloc(300_000, 'b'));
  sh.write('/suid', 'suid\n', 0o6755);
  sh.write('/one', 'linked\n');
  sh.ln('/one', '/two');
  sh.symlink('file', '/link');
  sh.mkdir('/empty');
  sh.mkdir('/dir');
  sh.write('/dir/a', 'a\n');
  sh.write('/dir/b', 'b\n');
  sh.mkdir('/dir/sub');
  sh.write('/dir/sub/deep', 'deep\n');
  sh.ln('/one', '/dir/three');
  for (const name of ['/file', '/dir/a', '/dir', '/empty', '/']) sh.utimes(name, 1_000_000, 5);
}

/** For scripts in Python: calls that it lacks, and what must fail. */
const FSTOOLS = `
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
def check(result):
  if result < 0: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
  return result
def renameat2(a, b, flags): check(libc.renameat2(-100, os.fsencode(a), -100, os.fsencode(b), flags))
def linkat(fd, path): check(libc.linkat(fd, b'', -100, os.fsencode(path), 0x1000))
def fallocate(fd, mode, offset, length):
  check(libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)))
def fails(code, call, *args, **options):
  try: call(*args, **options)
  except OSError as e: assert e.errno == code, (call, args, e); return
  assert False, (call, args, 'succeeds')
NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4
`;

/** `no` asserts that a command fails; `snapshot`: everything that a program sees of a tree, but for sizes of directories and inode numbers. */
const PRELUDE = `
no() { if "$@" >/dev/null 2>&1; then echo "should fail: $*"; return 1; fi; }
snapshot() {
  find . -type d -printf '%p %y %m %U:%G %n %T@\\n' -o -printf '%p %y %m %U:%G %n %T@ %s %l\\n' | sort
  find . -type f -print0 | sort -z | xargs -0r sha256sum
}
`;
const TEST_PROGRAMS = ['unshare', 'prlimit', 'find', 'python3'] as const;

/** What all cases of a table have in common. */
export interface RegressionOptions {
  /** The lower tree of all cases; default: a few files, links and directories. */
  readonly base?: (sh: Shell) => void;
  /** RLIMIT_NOFILE of the server. */
  readonly openFilesMax?: number;
  /** Programs that scripts run and not every machine has. */
  readonly programs?: readonly string[];
}

interface Ran {
  readonly regression: Regression;
  readonly lowers: readonly LayerId[];
  readonly upper: LayerId;
  readonly status: number | null;
  readonly output: string;
  readonly snapshot: string;
}

/**
 * Makes a test of each case. All scripts run in mounts of one server; afterwards each tree must be
 * the same in a new mount, applied as archives are, and in a mount of unpacked archives.
 */
export function testRegressions(
  title: string,
  regressions: readonly Regression[],
  { base: makeBase = populate, programs: more = [], ...limits }: RegressionOptions = {},
): void {
  test(title, async (t) => {
    const programs = [...TEST_PROGRAMS, ...more].map((name) => `program:${name}` as const);
    if (!requires(t, 'root', 'fuse', ...programs)) return;
    const fixture = new LayerFixture(t);
    const base = fixture.step([], makeBase);
    const run = (steps: readonly MountedStep[]): Promise<MountedResult[]> =>
      runSteps(steps, limits);
    const ran = await runScripts({ fixture, base, run }, regressions);
    const again = await mountAgain({ fixture, run }, ran);
    for (const [i, each] of ran.entries()) {
      await t.test(each.regression.title, () => check(fixture, each, again[i]));
    }
  });
}

interface Scene {
  readonly fixture: LayerFixture;
  readonly base: LayerId;
  readonly run: (steps: readonly MountedStep[]) => Promise<MountedResult[]>;
}

async function runScripts(
  { fixture, base, run }: Scene,
  regressions: readonly Regression[],
): Promise<Ran[]> {
  const stacks = regressions.map(({ lower = [] }) => {
    const ids = [base];
    for (const step of [lower].flat()) ids.push(fixture.step(ids, step));
    return ids;
  });
  const steps = regressions.map(({ script }, i) => {
    const strict = `set -eu -o pipefail\n(${script}\n)\n`;
    const python = `export PYTHONPATH='${fixture.root}' PYTHONDONTWRITEBYTECODE=1`;
    const text = `${PRELUDE}\n${python}\n${strict}echo '====='\nsnapshot`;
    return stepOn(fixture, stacks[i] ?? [], { script: text, end: 'commit' });
  });
  fs.writeFileSync(path.join(fixture.root, 'fstools.py'), FSTOOLS);
  const results = await run(steps);
  return regressions.map((regression, i) => {
    const { status = null, output = '', error } = results[i] ?? {};
    const [said = '', snapshot = ''] = output.split('=====\n');
    const upper = steps[i]?.upper ?? base;
    const failed = error === undefined ? said : `${said}\n${error.message}`;
    return { regression, lowers: stacks[i] ?? [], upper, status, output: failed, snapshot };
  });
}

/** Snapshots of what the layers of each case show: merged, and after a trip through archives. */
async function mountAgain(
  { fixture, run }: Omit<Scene, 'base'>,
  ran: readonly Ran[],
): Promise<(string[] | Error)[]> {
  const stacks: (LayerId[][] | Error)[] = [];
  for (const { status, lowers, upper } of ran) {
    if (status !== 0) stacks.push([]);
    else stacks.push(await tripped(fixture, [...lowers, upper]));
  }
  const script = `${PRELUDE}\nsnapshot`;
  const steps = stacks.flatMap((each) =>
    each instanceof Error
      ? []
      : each.map((ids) => stepOn(fixture, ids, { script, end: 'discard' })),
  );
  const results = (await run(steps)).values();
  return stacks.map((each) =>
    each instanceof Error ? each : each.map(() => results.next().value?.output ?? ''),
  );
}

async function tripped(fixture: LayerFixture, ids: LayerId[]): Promise<LayerId[][] | Error> {
  try {
    return [ids, await recheckLayers(fixture, ids)];
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function check(fixture: LayerFixture, ran: Ran, again: string[] | Error | undefined): void {
  const { regression, status, output, snapshot } = ran;
  assert.equal(status, 0, `the script failed:\n${output}`);
  assert.equal(output, regression.want ?? '');
  if (regression.layer !== undefined) {
    assert.deepEqual(outlineLayer(fixture.read(ran.upper)), [...regression.layer].sort());
  }
  if (again instanceof Error) throw again;
  const [merged = '', unpacked = ''] = again ?? [];
  assert.deepEqual(linesOf(merged), linesOf(snapshot), 'the next mount shows another tree');
  // Archives have no sockets.
  const archived = linesOf(snapshot).filter((line) => !/^\S+ s /.test(line));
  assert.deepEqual(linesOf(unpacked), archived, 'the archive holds another tree');
}

function linesOf(text: string): string[] {
  return text.split('\n');
}
