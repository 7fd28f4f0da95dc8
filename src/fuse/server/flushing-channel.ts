import { errnoNumber } from '../../sys/errno.js';
import { IN_HEADER } from '../protocol/abi.js';
import type { Channel } from './channel.js';
import type { DevFuseChannel } from './dev-fuse-channel.js';
import type { NodeId } from '../filesystem.js';
import type { LseekGate } from './lseek-gate.js';
import { Reply } from '../protocol/reply.js';

const ENOSYS = errnoNumber('ENOSYS');

type InoOf = (nodeid: NodeId) => number | undefined;

/** What FlushingChannel is made of. */
export interface FlushingParts {
  readonly channel: DevFuseChannel;
  readonly gate: LseekGate;
  /** st_ino of a node; undefined: it cannot be had. */
  readonly inoOf: InoOf;
}

/** Gives LSEEK requests out only when what they ask about has been written back. */
export class FlushingChannel implements Channel {
  readonly #channel: DevFuseChannel;
  readonly #gate: LseekGate;
  readonly #inoOf: InoOf;

  constructor({ channel, gate, inoOf }: FlushingParts) {
    this.#channel = channel;
    this.#gate = gate;
    this.#inoOf = inoOf;
  }

  receive(into: Buffer): number | undefined {
    for (;;) {
      const { answers } = this.#gate;
      const received =
        answers === undefined
          ? this.#channel.receive(into)
          : this.#channel.receiveUnless(into, answers);
      if (received === undefined) return undefined;
      if (received === 'other') {
        const { request, flushed } = this.#gate.release();
        if (flushed) return request.copy(into);
        this.#refuse(request);
      } else if (this.#passes(into, received)) {
        return received;
      }
    }
  }

  send(reply: Buffer, length: number): number {
    return this.#channel.send(reply, length);
  }

  #passes(request: Buffer, length: number): boolean {
    const admission = this.#gate.admit(request, length);
    if (admission === 'pass') return true;
    if (admission === 'refuse' || !this.#park(request.subarray(0, length))) this.#refuse(request);
    return false;
  }

  #park(request: Buffer): boolean {
    const ino = this.#inoOf(Number(request.readBigUInt64LE(IN_HEADER.nodeid)));
    return ino !== undefined && this.#gate.park(request, ino);
  }

  #refuse(request: Buffer): void {
    const { buffer, length } = refusal(request);
    this.#channel.send(buffer, length);
  }
}

/** ENOSYS, for an LSEEK that cannot be answered: the kernel asks no more. */
export function refusal(request: Buffer): Reply {
  const reply = new Reply(0);
  reply.begin(request, IN_HEADER.unique);
  reply.fail(ENOSYS);
  return reply;
}
