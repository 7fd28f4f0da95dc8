/*
 * The ssh-agent protocol as far as passing it on needs it: each message is its length (u32, big
 * endian), a type byte, and contents. Source: draft-ietf-sshm-ssh-agent, sections 3 and 5.
 * Example: 00000001 0b asks for the identities.
 */

/** SSH_AGENTC_*: what may reach the agent: it is asked to list keys and to sign, not changed. */
const PASSED_ON: readonly number[] = [11, 13];
/** SSH_AGENT_FAILURE, as a message. */
export const AGENT_FAILURE: Buffer = Buffer.from([0, 0, 0, 1, 5]);
/** As in OpenSSH. */
const MESSAGE_BYTES_MAX = 256 * 1024;
const LENGTH_BYTES = 4;

/** Cuts a client's bytes into messages and says which of them are passed on. */
export class AgentRequests {
  #rest: Buffer = Buffer.alloc(0);

  /** The complete messages up to the end of `chunk`; undefined: this is no agent's protocol. */
  push(chunk: Buffer): { message: Buffer; isPassedOn: boolean }[] | undefined {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const messages: { message: Buffer; isPassedOn: boolean }[] = [];
    while (this.#rest.length >= LENGTH_BYTES) {
      const length = this.#rest.readUInt32BE(0);
      if (length === 0 || length > MESSAGE_BYTES_MAX) return undefined;
      const end = LENGTH_BYTES + length;
      if (this.#rest.length < end) break;
      const message = this.#rest.subarray(0, end);
      this.#rest = this.#rest.subarray(end);
      messages.push({ message, isPassedOn: PASSED_ON.includes(message[LENGTH_BYTES] ?? 0) });
    }
    return messages;
  }
}
