import { watchReadable } from '../../sys/device.js';
import { IN_HEADER } from '../protocol/abi.js';
import type { NodeId } from '../filesystem.js';
import type { LseekGate } from './lseek-gate.js';

/** What LseekParking is made of. */
export interface ParkingParts {
  readonly gate: LseekGate;
  /** st_ino of a node; rejects for an unknown one. */
  readonly inoOf: (nodeid: NodeId) => Promise<number>;
  /** Takes an LSEEK back that can be answered now. */
  readonly onFlushed: (request: Buffer) => void;
  readonly onRefused: (request: Buffer) => void;
}

/** A gate for a server that runs in the event loop; it owns the gate. */
export class LseekParking implements Disposable {
  readonly #parts: ParkingParts;
  #watch: Disposable | undefined;
  #closed = false;

  constructor(parts: ParkingParts) {
    this.#parts = parts;
  }

  /** Takes the request of `length` bytes over if it is an LSEEK; a copy, so use the buffer. */
  takes(request: Buffer, length: number): boolean {
    const { gate, onRefused } = this.#parts;
    const admission = gate.admit(request, length);
    if (admission === 'pass') return false;
    const copy = Buffer.from(request.subarray(0, length));
    if (admission === 'refuse') onRefused(copy);
    else void this.#park(copy);
    return true;
  }

  async #park(request: Buffer): Promise<void> {
    const { gate, inoOf, onRefused } = this.#parts;
    const nodeid = Number(request.readBigUInt64LE(IN_HEADER.nodeid));
    // Whatever is wrong with the node: the LSEEK is refused, the server goes on.
    const ino = await inoOf(nodeid).catch(() => undefined);
    if (this.#closed) return;
    if (ino === undefined || !gate.park(request, ino)) onRefused(request);
    else if (gate.answers !== undefined) {
      this.#watch ??= watchReadable(gate.answers, () => this.#release());
    }
  }

  #release(): void {
    const { gate, onFlushed, onRefused } = this.#parts;
    const { request, flushed } = gate.release();
    if (gate.answers === undefined) this.#stopWatching();
    (flushed ? onFlushed : onRefused)(request);
  }

  #stopWatching(): void {
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#stopWatching();
    this.#parts.gate[Symbol.dispose]();
  }
}
