import assert from 'node:assert/strict';
import test from 'node:test';
import { Random, seedOf } from '../testing/random.js';
import { maskText, OutputMask } from './output-mask.js';
import { linePatternsOf, patternsOf } from './patterns.js';
import type { Pattern } from './patterns.js';

const TOKEN = 'tok-12345678';
const KEY = '-----BEGIN KEY-----\nabcdefghij\nklm\n-----END KEY-----\n';

function patterns(...texts: string[]): Pattern[] {
  const secrets = texts.map((text, i) => ({ id: String(i), bytes: Buffer.from(text) }));
  return [...patternsOf(secrets), ...linePatternsOf(secrets)];
}

const CASES: readonly (readonly [name: string, text: string, want: string])[] = [
  ['a secret', `a ${TOKEN} b ${TOKEN}\n`, 'a *** b ***\n'],
  ['secrets side by side', `${TOKEN}${TOKEN}`, '******'],
  ['no part of one', TOKEN.slice(0, -1), TOKEN.slice(0, -1)],
  ['Base64', `Basic ${Buffer.from(`u:${TOKEN}`).toString('base64')}`, 'Basic dTp***g='],
  ['all lines of a key at once', `<${KEY}>`, '<***\n>'],
  ['a line of a key', 'x\nabcdefghij\n', 'x\n***\n'],
];
for (const [name, text, want] of CASES) {
  test(`OutputMask replaces ${name}`, () => {
    const all = patterns(TOKEN, KEY);
    assert.equal(maskText(text, all), want);
    const mask = new OutputMask(all);
    const bytewise = [...Buffer.from(text)].map((byte) => mask.push(Buffer.from([byte])));
    assert.equal(Buffer.concat([...bytewise, mask.end()]).toString(), want);
  });
}

const NPM = 'npm_0123456789abcdef';
/** Secret → output → what is shown of it. */
const VALUES: readonly (readonly [secret: string, text: string, want: string])[] = [
  [`//r/:_authToken=${NPM}`, `token ${NPM}.`, 'token ***.'],
  [`a=b\n//r/:_authToken = "${NPM}";\n`, `"${NPM}"`, '"***"'],
  [`{\n  "auth": "${NPM}==",\n}`, `${NPM}==`, '***'],
  ['url=https://registry.example/x1', 'https://registry.example/x1', 'https://registry.example/x1'],
  ['always-auth=some words with 1 number', 'some words with 1 number', 'some words with 1 number'],
  ['user=administrator', 'administrator', 'administrator'],
  ['mode=abcdefghijklmnopqrst', 'abcdefghijklmnopqrst', 'abcdefghijklmnopqrst'],
];
for (const [secret, text, want] of VALUES) {
  test(`OutputMask makes ${JSON.stringify(want)} of a value of ${JSON.stringify(secret)}`, () => {
    assert.equal(maskText(text, patterns(secret)), want);
  });
}

test('OutputMask holds nothing back but the beginning of a secret', () => {
  const mask = new OutputMask(patterns(TOKEN));
  const show = (text: string): string => mask.push(Buffer.from(text)).toString();
  assert.equal(show('a line\nand a prompt: '), 'a line\nand a prompt: ');
  assert.equal(show('take tok'), 'take ');
  assert.equal(show('en\n'), 'token\n');
  assert.equal(show('tok-1234'), '');
  assert.equal(show('5678!'), '***!');
  assert.equal(show('to'), '');
  assert.equal(mask.end().toString(), 'to');
});

test('OutputMask does not depend on chunks, and leaves no secret', (t) => {
  const seed = seedOf('TSBUILD_FUZZ_SEED');
  t.diagnostic(`TSBUILD_FUZZ_SEED=${seed}`);
  const random = new Random(seed);
  for (let round = 0; round < 1000; round++) {
    const text = (size: number): Buffer =>
      Buffer.from(Array.from({ length: size }, () => 0x61 + random.below(2)));
    const all = Array.from({ length: 1 + random.below(4) }, (_, i) => ({
      id: String(i),
      form: 'as it is' as const,
      bytes: text(3 + random.below(6)),
    }));
    const bytes = text(random.below(80));
    const whole = new OutputMask(all);
    const want = Buffer.concat([whole.push(bytes), whole.end()]).toString();
    const mask = new OutputMask(all);
    const shown: Buffer[] = [];
    for (let at = 0; at < bytes.length;) {
      const end = at + 1 + random.below(10);
      shown.push(Buffer.from(mask.push(bytes.subarray(at, end))));
      at = end;
    }
    shown.push(mask.end());
    assert.equal(Buffer.concat(shown).toString(), want, `round ${round}`);
    for (const pattern of all) assert.ok(!want.includes(pattern.bytes.toString()));
  }
});
