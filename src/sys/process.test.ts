import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import test from 'node:test';
import { requires } from '../testing/requires.js';
import { CAP, capabilitySet } from './credentials.js';
import { WNOHANG, getppid, kill, waitid } from './process.js';

/** Runs JavaScript in a new process, with what `process.js` and `credentials.js` export. */
function run(code: string): { stdout: string; status: number | null; signal: string | null } {
  const files = ['process', 'credentials'].map((file) => join(import.meta.dirname, `${file}.js`));
  const prelude = files.map((file, index) => `const m${index} = await import('${file}');`).join('');
  const script = `${prelude}\nconst { ${EXPORTS.join(', ')} } = { ...m0, ...m1 };\n${code}`;
  const args = ['--input-type=module', '-e', script];
  const { stdout, status, signal } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return { stdout, status, signal };
}

const EXPORTS = [
  ...['execve', 'resetSignals', 'setNoNewPrivs', 'poll', 'setresuid', 'setresgid', 'setgroups'],
  ...['capget', 'capset', 'limitBoundingSet', 'capabilitySet', 'CAP', 'closeRange'],
];

test('execve() passes arguments, environment and standard streams', () => {
  const script = `execve('/bin/sh', ['sh', '-c', 'echo "$0 $A"; exit 7', 'ä'], { A: 'b c' });`;
  const { stdout, status } = run(script);
  assert.equal(stdout, 'ä b c\n');
  assert.equal(status, 7);
});

test('execve() of a missing program throws', () => {
  const script = `try { execve('/no such', ['x'], {}); } catch (e) { console.log(e.code); }`;
  assert.equal(run(script).stdout, 'ENOENT\n');
});

test('execve() leaves default signals, and no other descriptor than the three', () => {
  const script = `execve('/bin/sh', ['sh', '-c', 'grep -E "^Sig(Blk|Ign)" /proc/self/status'], {});`;
  const zeros = '0'.repeat(16);
  assert.equal(run(script).stdout, `SigBlk:\t${zeros}\nSigIgn:\t${zeros}\n`);
});

test('resetSignals() lets SIGPIPE kill again', () => {
  assert.equal(run(`resetSignals(); process.kill(process.pid, 'SIGPIPE');`).signal, 'SIGPIPE');
});

test('waitid() tells how a child ended, and of no children', async () => {
  assert.throws(() => waitid(undefined, WNOHANG), { code: 'ECHILD' });
  const child = spawn('sleep', ['60']);
  assert.ok(child.pid !== undefined);
  assert.equal(waitid(child.pid, WNOHANG), undefined);
  assert.ok(kill(child.pid, 9));
  await once(child, 'exit');
  assert.equal(kill(child.pid, 0), false);
});

test('getppid() asks the kernel', () => assert.equal(getppid(), process.ppid));

test('ids and capabilities can be given up', (t) => {
  if (!requires(t, 'root')) return;
  const script = `
    limitBoundingSet([CAP.CHOWN, CAP.KILL]);
    setgroups([5, 6]);
    setresgid(7);
    const few = capabilitySet([CAP.CHOWN]);
    capset({ effective: capget().effective, permitted: capget().permitted, inheritable: few });
    setresuid(8);
    setNoNewPrivs();
    execve('/bin/grep', ['grep', '-E', '^(Uid|Gid|Groups|CapInh|CapPrm|CapBnd|NoNewPrivs)',
      '/proc/self/status'], {});`;
  assert.equal(
    run(script).stdout.replaceAll(/ +$/gm, ''),
    [
      ...['Uid:\t8\t8\t8\t8', 'Gid:\t7\t7\t7\t7', 'Groups:\t5 6', 'CapInh:\t0000000000000001'],
      ...['CapPrm:\t0000000000000000', 'CapBnd:\t0000000000000021', 'NoNewPrivs:\t1', ''],
    ].join('\n'),
  );
});

test('capabilitySet() sets the bits of its numbers', () => {
  assert.equal(capabilitySet([CAP.CHOWN, CAP.CHECKPOINT_RESTORE]), (1n << 40n) | 1n);
});
