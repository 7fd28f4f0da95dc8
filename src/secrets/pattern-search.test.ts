import assert from 'node:assert/strict';
import test from 'node:test';
import { Random, seedOf } from '../testing/random.js';
import { PatternSearch, sourceOf } from './pattern-search.js';
import type { Source } from './pattern-search.js';
import { isGuardable, patternsOf } from './patterns.js';

const TOKEN = 'ghp_1a/b+c"d&é~Zz(9';
const MiB = 1024 * 1024;

function secret(text: string, id = 'token'): { id: string; bytes: Buffer } {
  return { id, bytes: Buffer.from(text) };
}

function formsIn(text: string | Buffer, value = TOKEN): string[] {
  const found: string[] = [];
  const search = new PatternSearch(patternsOf([secret(value)]));
  search.search(sourceOf(Buffer.from(text)), ({ pattern }) => found.push(pattern.form));
  return [...new Set(found)];
}

/** A wrapped text, as `base64` and `openssl` write it. */
function wrap(text: string, columns: number, end = '\n'): string {
  return text.replace(new RegExp(`.{${columns}}`, 'g'), `$&${end}`);
}

const long = Array.from({ length: 40 }, (_, i) => `line ${i} of a key`).join('\n');
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const WRITTEN: readonly (readonly [name: string, text: string, want: string[], of?: string])[] = [
  ['as it is', `x=${TOKEN};`, ['as it is']],
  ['without its last newline', TOKEN, ['as it is'], `${TOKEN}\n`],
  ['without the space around it', `[${TOKEN}]`, ['as it is'], `  ${TOKEN}\r\n\0`],
  ['in Base64', base64(TOKEN), ['in Base64']],
  ['in Base64, behind one byte', base64(`u${TOKEN}...`), ['in Base64']],
  ['in Base64, as a password', base64(`ab:${TOKEN}`), ['in Base64']],
  ['in Base64, in a longer text', base64(`user:${TOKEN}\nmore`), ['in Base64']],
  ['in Base64 for URLs', Buffer.from(TOKEN).toString('base64url'), ['in Base64']],
  ['in Base64, in lines', wrap(base64(long), 76), ['in Base64'], long],
  ['in Base64, in other lines', wrap(base64(long), 64, '\r\n    '), ['in Base64'], long],
  ['percent-encoded', encodeURIComponent(TOKEN), ['percent-encoded']],
  ['percent-encoded in small letters', 'ghp_1a%2fb%2bc%22d%26%c3%a9~Zz(9', ['percent-encoded']],
  ['percent-encoded strictly', 'ghp_1a%2Fb%2Bc%22d%26%C3%A9%7EZz%289', ['percent-encoded']],
  ['escaped for JSON', JSON.stringify({ a: TOKEN }), ['escaped for JSON']],
  ['escaped as Go does it', '"ghp_1a/b+c\\"d\\u0026é~Zz(9"', ['escaped for JSON']],
  ['escaped as Python does it', '"ghp_1a/b+c\\"d&\\u00e9~Zz(9"', ['escaped for JSON']],
  ['its lines escaped for JSON', JSON.stringify(long), ['escaped for JSON'], long],
  ['all but its end', TOKEN.slice(0, -1), []],
  ['its beginning, and something else', long.slice(0, 100), [], long],
  ['broken into lines', wrap(TOKEN, 10), []],
];
for (const [name, text, want, of] of WRITTEN) {
  test(`PatternSearch looks for a secret ${name}`, () => {
    assert.deepEqual(formsIn(text, of), want);
  });
}

test('patternsOf() leaves out what is too short', () => {
  assert.deepEqual(patternsOf([secret('1234567'), secret(' 1234567 \n')]), []);
  assert.equal(isGuardable(secret(' 1234567 \n')), false);
  assert.equal(isGuardable(secret('12345678')), true);
});

test('patternsOf() takes bytes that are no text', () => {
  const bytes = Buffer.from([0xff, 0xfe, 0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85]);
  const forms = patternsOf([{ id: 'key', bytes }]).map(({ form }) => form);
  assert.deepEqual([...new Set(forms)], ['as it is', 'in Base64']);
});

test('PatternSearch finds a secret wherever chunks end', () => {
  const search = new PatternSearch(patternsOf([secret(TOKEN), secret(long, 'key')]));
  for (const value of [TOKEN, long]) {
    for (let before = 0; before < value.length + 40; before += 7) {
      const bytes = Buffer.alloc(2 * MiB, 'x');
      bytes.write(value, MiB - before, 'utf8');
      const found: number[] = [];
      search.search(sourceOf(bytes), ({ start }) => found.push(start));
      assert.deepEqual(found, [MiB - before]);
    }
  }
});

test('PatternSearch passes quickly over what only begins like a secret', () => {
  const banner = '#'.repeat(80);
  const bytes = Buffer.from(`${banner}\n`.repeat(20_000));
  let reads = 0;
  const source: Source = {
    ...sourceOf(bytes),
    read: (into, position) => {
      reads++;
      return bytes.copy(into, 0, position);
    },
  };
  const search = new PatternSearch(patternsOf([secret(`${banner}\n# the token\n`)]));
  search.search(source, () => assert.fail('there is none'));
  assert.ok(reads < 10, `${reads} reads`);
});

test('PatternSearch reads no holes', () => {
  const size = 1024 ** 4;
  const data = { start: 7 * MiB, end: 7 * MiB + 4096 };
  let read = 0;
  const source: Source = {
    size,
    read: (into, position) => {
      read += into.length;
      into.fill(0);
      if (position <= data.start) into.write(TOKEN, data.start - position, 'utf8');
      return into.length;
    },
    nextData: (position) => (position < data.end ? Math.max(position, data.start) : undefined),
    nextHole: () => data.end,
  };
  const found: number[] = [];
  const search = new PatternSearch(patternsOf([secret(TOKEN)]));
  search.search(source, ({ start }) => found.push(start));
  assert.deepEqual(found, [data.start]);
  assert.ok(read <= 4096 + 64 * 1024);
});

test('PatternSearch finds what a search for one after the other finds', (t) => {
  const seed = seedOf('TSBUILD_FUZZ_SEED');
  t.diagnostic(`TSBUILD_FUZZ_SEED=${seed}`);
  const random = new Random(seed);
  for (let round = 0; round < 300; round++) {
    const secrets = Array.from({ length: 1 + random.below(4) }, (_, i) => ({
      id: String(i),
      bytes: Buffer.from(
        Array.from({ length: 8 + random.below(60) }, () => 0x61 + random.below(2)),
      ),
    }));
    const patterns = patternsOf(secrets);
    const parts = Array.from({ length: random.below(20) }, () => {
      const { bytes } = random.pick(patterns);
      return bytes.subarray(random.below(3), bytes.length - random.below(3));
    });
    const text = Buffer.concat(parts);
    const want = new Set<string>();
    for (const { id, form, bytes } of patterns) {
      for (let at = text.indexOf(bytes); at >= 0; at = text.indexOf(bytes, at + 1)) {
        want.add(`${id} ${form} ${at} ${at + bytes.length}`);
      }
    }
    const found = new Set<string>();
    new PatternSearch(patterns).search(sourceOf(text), ({ pattern: { id, form }, start, end }) =>
      found.add(`${id} ${form} ${start} ${end}`),
    );
    assert.deepEqual([...found].sort(), [...want].sort(), `round ${round}`);
  }
});
