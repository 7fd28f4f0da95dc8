import assert from 'node:assert/strict';
import test from 'node:test';
import { UserError } from '../util/errors.js';
import { chainIdOf, chainIds } from './chain-id.js';
import { Digester, digestHex, digestOf, parseDigest, shortDigest } from './digest.js';
import { verified, verifyBytes } from './verify.js';

const EMPTY = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

test('digestOf() is sha256 of the bytes', () => {
  assert.equal(digestOf(''), EMPTY);
  assert.equal(digestHex(digestOf('')), EMPTY.slice(7));
  assert.equal(shortDigest(digestOf('')), 'e3b0c44298fc');
});

test('Digester hashes and counts a stream', () => {
  const digester = new Digester();
  digester.update(Buffer.from('a'));
  digester.update(Buffer.from('bc'));
  assert.equal(digester.size, 3);
  assert.equal(digester.digest(), digestOf('abc'));
});

const BAD: [text: string, code: string][] = [
  ['', 'TSB_IMAGE_INVALID'],
  ['sha256:', 'TSB_IMAGE_INVALID'],
  [EMPTY.toUpperCase(), 'TSB_IMAGE_INVALID'],
  [`${EMPTY}\n`, 'TSB_IMAGE_INVALID'],
  [`${EMPTY}0`, 'TSB_IMAGE_INVALID'],
  ['sha256:../../../etc/passwd', 'TSB_IMAGE_INVALID'],
  [`sha512:${'0'.repeat(128)}`, 'TSB_UNSUPPORTED'],
];

for (const [text, code] of BAD) {
  test(`parseDigest() refuses ${JSON.stringify(text).slice(0, 30)}`, () => {
    const refused = (error: unknown): boolean => error instanceof UserError && error.code === code;
    assert.throws(() => parseDigest(text), refused);
  });
}

test('chainIds() follows the specification', () => {
  const [a, b, c] = [digestOf('a'), digestOf('b'), digestOf('c')];
  const ab = digestOf(`${a} ${b}`);
  assert.deepEqual(chainIds([a, b, c]), [a, ab, digestOf(`${ab} ${c}`)]);
  assert.equal(chainIdOf([]), undefined);
  assert.equal(chainIdOf([a]), a);
});

async function collect(
  chunks: string[],
  expected: string,
  size = expected.length,
): Promise<string> {
  const stream = (async function* () {
    for (const chunk of chunks) yield await Promise.resolve(Buffer.from(chunk));
  })();
  const parts: Buffer[] = [];
  for await (const part of verified(stream, { digest: digestOf(expected), size }, 'blob')) {
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

test('verified() passes what is right', async () => {
  assert.equal(await collect(['ab', '', 'c'], 'abc'), 'abc');
  assert.equal(await collect([], ''), '');
});

const WRONG: [name: string, chunks: string[], expected: string, message: RegExp][] = [
  ['a short stream', ['ab'], 'abc', /2 bytes, want 3/],
  ['a long stream', ['abc', 'd'], 'abc', /more bytes, want 3/],
  ['other bytes', ['abd'], 'abc', /digest sha256:\w+, want sha256:\w+/],
];

for (const [name, chunks, expected, message] of WRONG) {
  test(`verified() refuses ${name}`, async () => {
    await assert.rejects(collect(chunks, expected), message);
    const check = (): void => {
      verifyBytes(Buffer.from(chunks.join('')), { digest: digestOf(expected), size: 3 }, 'blob');
    };
    assert.throws(
      check,
      (error) => error instanceof UserError && error.code === 'TSB_DIGEST_MISMATCH',
    );
  });
}
