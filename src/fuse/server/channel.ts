/**
 * Where requests come from and replies go to. One request at a time: `receive` blocks, and gives
 * the number of bytes it put into the buffer, or undefined once the mount has gone.
 */
export interface Channel {
  receive(into: Buffer): number | undefined;
  /** Sends the first `length` bytes; returns 0, or the negative errno. */
  send(reply: Buffer, length: number): number;
}
