import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { ERROR_CODES, EXIT } from '../src/util/error-codes.js';
import { COMMANDS } from './commands.js';

const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const FORMATS = readFileSync(new URL('../../docs/formats.md', import.meta.url), 'utf8');

for (const [code, { meaning }] of Object.entries(ERROR_CODES)) {
  test(`README lists ${code} with its meaning`, () => {
    const row = README.split('\n').find((line) => line.startsWith(`| \`${code}\` `));
    assert.ok(row?.includes(meaning), `want a row for ${code}: ${meaning}`);
  });
}

test('README lists no error code that does not exist', () => {
  const listed = [...README.matchAll(/^\| `(TSB_\w+)`/gm)].map(([, code]) => code);
  assert.deepEqual(
    listed.filter((code) => code === undefined || !(code in ERROR_CODES)),
    [],
  );
});

for (const [name, code] of Object.entries(EXIT)) {
  test(`README lists exit code ${code} (${name})`, () => {
    assert.match(README, new RegExp(`^\\| ${code} +\\|`, 'm'));
  });
}

for (const { name, describe } of COMMANDS) {
  test(`README lists the command ${name}`, () => {
    const row = README.split('\n').find((line) => line.startsWith(`| \`tsbuild ${name}`));
    assert.ok(row?.includes(describe), `want a row for ${name}: ${describe}`);
  });
}

test('docs/formats.md lists every kind of event', () => {
  const events = readFileSync(new URL('../../src/build/events.ts', import.meta.url), 'utf8');
  const body = events.slice(events.indexOf('export type BuildEventBody'));
  const kinds = [...body.matchAll(/kind: '([a-z-]+)'/g)].map(([, kind]) => kind ?? '');
  assert.ok(kinds.length > 8);
  for (const kind of kinds) assert.ok(FORMATS.includes(`| \`${kind}\``), kind);
});
