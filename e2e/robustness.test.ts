import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
} from 'node:fs';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, describe, test } from 'node:test';
import { findFamily, findMounts, findProcesses, waitFor } from '../src/testing/processes.js';
import { requires } from '../src/testing/requires.js';
import { startTsbuild, tsbuild, tsbuildOk, type RunningTsbuild } from '../src/testing/tsbuild.js';

/** What is left when tsbuild fails, is interrupted, or is killed: nothing. */
const NEEDS = ['root', 'fuse', 'program:busybox'] as const;
const MIB = 1024 * 1024;
/** Within this time after a kill, mounts and processes must be gone. */
const GONE_MS = 1000;
/** Within this time after one of its processes was killed, tsbuild must have given up. */
const KILLED_MS = 10_000;
/** How often a signal may come too late. */
const ATTEMPTS = 5;

describe('nothing is left', () => {
  const dir = mkdtempSync(join(tmpdir(), 'tsbuild-robust-'));
  const root = join(dir, 'store');
  const options = { root };
  let serial = 0;

  /** A context with busybox and a Buildfile of these lines behind the common head. */
  const contextOf = (...lines: string[]): string => {
    const context = join(dir, `context-${++serial}`);
    mkdirSync(context);
    copyFileSync('/bin/busybox', join(context, 'busybox'));
    const head = [
      'FROM scratch',
      'COPY busybox /bin/busybox',
      'SHELL ["/bin/busybox", "sh", "-c"]',
    ];
    writeFileSync(join(context, 'Buildfile'), [...head, ...lines, ''].join('\n'));
    return context;
  };
  const sleeper = (): { token: string; context: string } => {
    const token = `7${Date.now()}${++serial}`;
    return { token, context: contextOf(`RUN echo up > /up; /bin/busybox sleep ${token}`) };
  };
  /** Waits until the RUN's own command is seen running. */
  const waitForRun = (token: string): Promise<number> =>
    waitFor(
      'the command of the RUN',
      () =>
        findProcesses(token).find(({ command }) => command.startsWith('/bin/busybox sleep'))?.pid,
    );
  const assertNothingRuns = async (...tokens: string[]): Promise<void> => {
    for (const token of [root, ...tokens]) {
      await waitFor(
        `the end of all processes and mounts of ${token}`,
        () => (findProcesses(token).length + findMounts(token).length === 0 ? true : undefined),
        GONE_MS,
      ).catch((error: unknown) => {
        const left = [...findProcesses(token).map((p) => p.command), ...findMounts(token)];
        throw new Error(`Left behind: ${left.join('\n')}`, { cause: error });
      });
    }
  };
  const assertStoreIsClean = async (): Promise<void> => {
    await tsbuildOk(['images'], options);
    const work = join(root, 'work');
    assert.deepEqual(existsSync(work) ? readdirSync(work) : [], []);
    const images = await tsbuildOk(['images', '-q'], options);
    assert.equal(images.trim(), '');
  };
  const assertBuildsAgain = async (): Promise<void> => {
    const args = ['build', '--no-cache', '-t', 'again', contextOf('RUN echo ok > /ok')];
    await tsbuildOk(args, options);
    await tsbuildOk(['rmi', 'again'], options);
  };

  before(() => {
    mkdirSync(root);
  });
  after(() => {
    rmSync(dir, { recursive: true, force: true });
  });

  test('after a failing RUN, which is named with its line and last output', async (t) => {
    if (!requires(t, ...NEEDS)) return;
    const context = contextOf('RUN echo one; echo the last words >&2; exit 42');
    const result = await tsbuild(['build', '-t', 'failed', context], options);
    assert.equal(result.exitCode, 42);
    assert.match(result.stderr, /Buildfile:4/);
    assert.match(result.stderr, />>> RUN echo one/);
    assert.match(result.stderr, /the last words/);
    await assertNothingRuns();
    await assertStoreIsClean();
  });

  for (const [signal, exitCode] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    test(`after ${signal} in a RUN`, async (t) => {
      if (!requires(t, ...NEEDS)) return;
      const { token, context } = sleeper();
      const running = startTsbuild(['build', '-t', 'stopped', context], options);
      await waitForRun(token);
      running.child.kill(signal);
      assert.equal((await running.done).exitCode, exitCode);
      await assertNothingRuns(token);
      await assertStoreIsClean();
    });
  }

  test('after SIGKILL of any of our processes in a RUN', async (t) => {
    if (!requires(t, ...NEEDS)) return;
    const { token, context } = sleeper();
    const start = async (): Promise<RunningTsbuild> => {
      const running = startTsbuild(['build', '-t', 'killed', context], options);
      await waitForRun(token);
      return running;
    };
    const first = await start();
    const family = findFamily(first.child.pid ?? 0);
    assert.ok(family.length >= 4, `${family.length}: tsbuild, server, the RUN's init, its command`);
    first.child.kill('SIGKILL');
    await first.done;
    await assertNothingRuns(token);
    for (const index of family.keys()) {
      const running = await start();
      const victim = findFamily(running.child.pid ?? 0)[index];
      const command = victim === undefined ? '' : readFileSync(`/proc/${victim}/cmdline`, 'latin1');
      if (victim !== undefined) process.kill(victim, 'SIGKILL');
      const ended = await Promise.race([running.done, sleep(KILLED_MS)]);
      if (ended === undefined) running.child.kill('SIGKILL');
      assert.ok(ended, `tsbuild goes on ${KILLED_MS} ms after a kill of ${command}`);
      assert.notEqual(ended.exitCode, 0, `killed ${command}`);
      await assertNothingRuns(token);
    }
    await assertStoreIsClean();
    await assertBuildsAgain();
  });

  /** An archive of an image with a large file of these bytes; made once per name. */
  const archiveOf = async (name: string, big: Buffer): Promise<string> => {
    const context = contextOf('COPY big /big');
    writeFileSync(join(context, 'big'), big);
    const archive = join(dir, name);
    if (existsSync(archive)) return archive;
    await tsbuildOk(['build', '-o', `type=oci-archive,dest=${archive}`, context], options);
    return archive;
  };

  for (const [signal, exitCode] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGKILL', 137],
  ] as const) {
    test(`after ${signal} while a layer is unpacked`, async (t) => {
      if (!requires(t, ...NEEDS)) return;
      const archive = await archiveOf('large.tar', Buffer.alloc(512 * MIB));
      const fresh = { root: join(dir, `fresh-${signal}`) };
      const work = join(fresh.root, 'work');
      for (let attempt = 1; ; attempt++) {
        const running = startTsbuild(['pull', `oci-archive:${archive}`, '-t', 'big'], fresh);
        await waitFor('the unpacking', () =>
          existsSync(work) && readdirSync(work).length > 0 ? true : undefined,
        );
        running.child.kill(signal);
        const ended = await running.done;
        if (ended.exitCode === exitCode) break;
        // On a busy machine the signal may come when all is done.
        assert.deepEqual([ended.exitCode, attempt < ATTEMPTS], [0, true], ended.stderr);
        rmSync(fresh.root, { recursive: true });
      }
      assert.equal(await tsbuildOk(['images', '-q'], fresh), '');
      assert.deepEqual(readdirSync(work), []);
      assert.deepEqual(readdirSync(join(fresh.root, 'layers')), []);
      if (signal === 'SIGKILL')
        await tsbuildOk(['pull', `oci-archive:${archive}`, '-t', 'big'], fresh);
    });
  }

  test('when the disk is full in an unpack, a RUN, a COPY and an export', async (t) => {
    if (!requires(t, ...NEEDS)) return;
    const small = join(dir, 'small');
    mkdirSync(small);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', small]);
    t.after(() => execFileSync('umount', [small]));
    const tight = { root: join(small, 'store') };
    const isClear = async (...args: string[]): Promise<void> => {
      const result = await tsbuild(args, tight);
      assert.notEqual(result.exitCode, 0);
      assert.match(result.stderr, /the disk is full|No space left/i);
      assert.doesNotMatch(result.stderr, /this is a bug/);
    };
    await isClear(
      'pull',
      `oci-archive:${await archiveOf('small.tar', randomBytes(32 * MIB))}`,
      '-t',
      'full',
    );
    const fill = contextOf('RUN /bin/busybox dd if=/dev/zero of=/big bs=1M count=64');
    await isClear('build', '-t', 'full', fill);
    const big = contextOf('COPY big /big');
    writeFileSync(join(big, 'big'), Buffer.alloc(32 * MIB, 'x'));
    await isClear('build', '-t', 'full', big);
    const fits = contextOf('RUN echo fits > /fits');
    await tsbuildOk(['build', '-t', 'fits', fits], tight);
    execFileSync('sh', ['-c', `cat /dev/zero > ${join(small, 'filler')} || true`], {
      stdio: 'ignore',
    });
    const archive = join(small, 'out.tar');
    await isClear('build', '-o', `type=oci-archive,dest=${archive}`, fits);
    assert.deepEqual(readdirSync(small).sort(), ['filler', 'store']);
  });

  test('tsbuild mount in the foreground, killed: the mount goes with it', async (t) => {
    if (!requires(t, ...NEEDS)) return;
    await tsbuildOk(['build', '-q', '-t', 'mounted', contextOf('CMD x')], options);
    const mountpoint = join(dir, 'mountpoint');
    mkdirSync(mountpoint);
    const started = async (): Promise<RunningTsbuild> => {
      const running = startTsbuild(['mount', 'mounted', mountpoint], options);
      await waitFor('the mount', () => findMounts(mountpoint)[0]);
      return running;
    };
    const killed = await started();
    killed.child.kill('SIGKILL');
    await killed.done;
    await assertNothingRuns(mountpoint);

    // With its guard killed too, a dead mount stays behind.
    const unguarded = await started();
    const guard = findProcesses(mountpoint).find(({ command }) => command.includes('mount-guard'));
    assert.ok(guard !== undefined);
    process.kill(guard.pid, 'SIGKILL');
    unguarded.child.kill('SIGKILL');
    await unguarded.done;
    assert.equal(findMounts(mountpoint).length, 1);
    const again = startTsbuild(['mount', 'mounted', mountpoint], options);
    await waitFor('the second mount', () =>
      existsSync(join(mountpoint, 'bin/busybox')) ? true : undefined,
    );
    assert.equal(findMounts(mountpoint).length, 1);
    again.child.kill('SIGINT');
    const { exitCode, stderr } = await again.done;
    assert.equal(exitCode, 0, stderr);
    assert.match(stderr, /Unmounted .*: the process that had served it is gone/);
    await assertNothingRuns(mountpoint);
  });
});
