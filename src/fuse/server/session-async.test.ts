import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FsError } from '../../sys/errno.js';
import { frame } from '../../testing/fuse-requests.js';
import { MemoryMount, canMount } from '../../testing/memory-mount.js';
import { requires } from '../../testing/requires.js';
import { OPCODE, OUT_HEADER } from '../protocol/abi.js';
import type { Caller, FileSystem } from '../filesystem.js';
import { MemoryFileSystem } from '../filesystems/memory-filesystem.js';
import type { Slot } from './session.js';
import { Session } from './session.js';

const NAME = Buffer.from('a\0');

/** Hands a request to a session in a slot of its own. */
function ask(session: Session, request: Buffer): { slot: Slot; outcome: unknown } {
  const slot = session.newSlot();
  request.copy(slot.request);
  return { slot, outcome: session.handle(slot, request.length) };
}

function interruptOf(unique: bigint): Buffer {
  const body = Buffer.alloc(8);
  body.writeBigUInt64LE(unique);
  return frame(OPCODE.FUSE_INTERRUPT, body, { unique: unique | 1n });
}

/** A session whose LOOKUPs end as `lookup` says; nothing may be logged. */
function sessionWith(lookup: (caller: Caller) => Promise<undefined>): Session {
  const base = new MemoryFileSystem();
  const fileSystem: FileSystem = {
    lookup: (_parent, _name, caller) => lookup(caller),
    forget: () => undefined,
    getattr: (nodeid) => base.getattr(nodeid),
  };
  const logger = { error: (details: object) => assert.fail(JSON.stringify(details)) };
  return new Session(fileSystem, {}, logger);
}

const HANDLERS: [string, (caller: Caller) => Promise<undefined>][] = [
  ['passes the signal on', async ({ signal }) => sleep(60_000, undefined, { signal })],
  [
    'throws what the signal says',
    async ({ signal }) => {
      for (;;) {
        signal?.throwIfAborted();
        await sleep(1);
      }
    },
  ],
  [
    'asks for the signal late, and fails in its own way',
    async (caller) => {
      while (caller.signal?.aborted !== true) await sleep(5);
      throw new FsError('EBUSY', 'x');
    },
  ],
];
for (const [name, lookup] of HANDLERS) {
  test(`an interrupted handler that ${name} gives EINTR`, async () => {
    const session = sessionWith(lookup);
    const { slot, outcome } = ask(session, frame(OPCODE.FUSE_LOOKUP, NAME, { unique: 6n }));
    const stranger = ask(session, interruptOf(8n));
    assert.equal(stranger.outcome, 'silent');
    assert.equal(ask(session, interruptOf(6n)).outcome, 'silent');
    assert.equal(await outcome, 'reply');
    assert.equal(slot.reply.buffer.readInt32LE(OUT_HEADER.error), -4);
    assert.equal(ask(session, interruptOf(6n)).outcome, 'silent', 'it has been answered');
  });
}

test('a handler that ends well in spite of an interrupt is answered so', async () => {
  const session = sessionWith(async () => sleep(5));
  const { slot, outcome } = ask(session, frame(OPCODE.FUSE_LOOKUP, NAME, { unique: 6n }));
  ask(session, interruptOf(6n));
  await outcome;
  assert.equal(slot.reply.buffer.readInt32LE(OUT_HEADER.error), 0);
});

test('64 requests wait at once, and end in another order', async (t) => {
  if (!canMount(t) || !requires(t, 'program:python3')) return;
  await using mount = await MemoryMount.start('slow');
  const program = `
import os, threading, time
order = []
def look(ms):
    os.path.exists('wait-%d' % ms)
    order.append(ms)
delays = [1500 - 10 * turn for turn in range(64)]
threads = [threading.Thread(target=look, args=[ms]) for ms in delays]
start = time.time()
for thread in threads: thread.start()
for thread in threads: thread.join()
ahead = sum(order.index(a) < order.index(b) for a, b in zip(delays[32:], delays[:32]))
print(len(order), time.time() - start < 30, ahead > 24)`;
  assert.equal(mount.runPython(program), '64 True True\n');
  assert.deepEqual(await mount.end(), ['unmounted', 0]);
});

test('whoever is interrupted need not wait for the answer', async (t) => {
  if (!canMount(t)) return;
  await using mount = await MemoryMount.start('slow');
  const script = `for i in $(seq 40); do timeout -s INT 0.5 stat hang & done >/dev/null 2>&1; wait; echo ended
    stat -c %n . `;
  assert.equal(mount.run(script), 'ended\n.\n');
  assert.deepEqual(await mount.end(), ['unmounted', 0]);
});

test('a mount that is gone waits for no handler that can be interrupted', async (t) => {
  if (!canMount(t)) return;
  await using mount = await MemoryMount.start('slow');
  mount.run('timeout 50 stat hang > /dev/null 2>&1 & sleep 0.5');
  const start = Date.now();
  assert.deepEqual(await mount.end({ force: true }), ['unmounted', 0]);
  const tookMs = Date.now() - start;
  assert.ok(tookMs < 20_000, `it took ${tookMs} ms`);
});

test('a process lives on while all requests that it can take wait', async (t) => {
  if (!canMount(t) || !requires(t, 'program:python3')) return;
  await using mount = await MemoryMount.start('slow');
  const program = `
import os, threading
for turn in range(300):
    threading.Thread(target=os.path.exists, args=['never-%d' % turn]).start()`;
  const isAlive = `[ -e /proc/${mount.pid}/exe ] && echo alive`;
  const script = `python3 -c "${program}" > /dev/null 2>&1 & sleep 2; ${isAlive}`;
  assert.equal(mount.run(script), 'alive\n');
});
