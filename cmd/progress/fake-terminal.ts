import type { Terminal } from './tty.js';

/**
 * A terminal of some size for tests: understands text, line ends, cursor up, erase line, erase
 * below. Lines longer than the terminal wrap when it is made narrower, as real ones do.
 */
export class FakeTerminal implements Terminal {
  columns: number;
  readonly rows: number;
  #lines: string[] = [''];
  #row = 0;

  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
  }

  /** What has been written, scrolled-off lines included, without the cursor's empty line. */
  lines(): string[] {
    return this.#lines.slice(0, this.#lines.findLastIndex((line) => line !== '') + 1);
  }

  resize(columns: number): void {
    const wrapped = this.#lines.flatMap((line) => {
      const pieces: string[] = [];
      for (let start = 0; start < line.length; start += columns) {
        pieces.push(line.slice(start, start + columns));
      }
      return pieces.length === 0 ? [''] : pieces;
    });
    this.#row += wrapped.length - this.#lines.length;
    this.#lines = wrapped;
    this.columns = columns;
  }

  write(text: string): void {
    // eslint-disable-next-line no-control-regex
    for (const piece of text.split(/(\x1b\[\??\d*[A-Za-z]|\n|\r)/)) this.#take(piece);
  }

  #take(piece: string): void {
    if (piece === '' || piece === '\r' || piece.startsWith('\x1b[?')) return;
    if (piece === '\n') {
      this.#row++;
      this.#lines[this.#row] ??= '';
    } else if (piece.endsWith('A') && piece.startsWith('\x1b')) {
      this.#row = Math.max(0, this.#row - Number(piece.slice(2, -1)));
    } else if (piece === '\x1b[2K') {
      this.#lines[this.#row] = '';
    } else if (piece === '\x1b[J') {
      this.#lines.length = this.#row;
      this.#lines.push('');
    } else {
      this.#lines[this.#row] = `${this.#lines[this.#row] ?? ''}${piece}`;
    }
  }
}
