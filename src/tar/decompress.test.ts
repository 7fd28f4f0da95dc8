import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import test from 'node:test';
import { gzipSync } from 'node:zlib';
import { chunksOf } from '../testing/tar-archive.js';
import { requires } from '../testing/requires.js';
import { decompress } from './decompress.js';

const PLAIN = Buffer.alloc(300_000, 'plain');
/** What goes wrong depends on which process is faster. */
const TIMES = 20;

const FORMS: readonly (readonly [name: string, program: string | undefined, make: () => Buffer])[] =
  [
    ['gzip', undefined, () => gzipSync(PLAIN)],
    ['zstd', 'zstd', () => execFileSync('zstd', ['-c'], { input: PLAIN })],
  ];
for (const [name, program, make] of FORMS) {
  test(`decompress() of ${name} ends well, read to its end or not`, async (t) => {
    if (program !== undefined && !requires(t, `program:${program}`)) return;
    const compressed = make();
    const read = async (bytesMax: number): Promise<number> => {
      let size = 0;
      for await (const chunk of decompress(chunksOf(compressed))) {
        size += chunk.length;
        if (size >= bytesMax) break;
      }
      return size;
    };
    await Promise.all(
      Array.from({ length: TIMES }, async (_, index) => {
        if (index % 2 === 0) assert.ok((await read(512)) >= 512);
        else assert.equal(await read(Infinity), PLAIN.length);
      }),
    );
  });
}
