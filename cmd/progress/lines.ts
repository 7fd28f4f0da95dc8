import { StringDecoder } from 'node:string_decoder';

/** Characters after which a line without an end is handed out in pieces. */
const LINE_CHARS_MAX = 64 * 1024;

/** Cuts a program's output into lines: bytes in, sanitized or not is the caller's business. */
export class LineSplitter {
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';

  /** What has come since the last line end. */
  get rest(): string {
    return this.#rest;
  }

  /** Takes bytes; returns the lines that they complete, without their ends. */
  push(chunk: Buffer): string[] {
    const lines = (this.#rest + this.#decoder.write(chunk)).split('\n');
    let rest = lines.pop() ?? '';
    while (rest.length > LINE_CHARS_MAX) {
      lines.push(rest.slice(0, LINE_CHARS_MAX));
      rest = rest.slice(LINE_CHARS_MAX);
    }
    this.#rest = rest;
    return lines;
  }

  /** Ends the output: returns the last line if it has no end, else nothing. */
  end(): string[] {
    const rest = this.#rest + this.#decoder.end();
    this.#rest = '';
    return rest === '' ? [] : [rest];
  }
}
