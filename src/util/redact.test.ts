import assert from 'node:assert/strict';
import test from 'node:test';
import { maskUrls, redactUrls } from './redact.js';

const CASES: readonly (readonly [text: string, want: string])[] = [
  ['https://user:pass@host/x', 'https://***@host/x'],
  ['ADD https://token@host/x HTTP://a:b@c /', 'ADD https://***@host/x HTTP://***@c /'],
  ['ssh://git@host/x', 'ssh://git@host/x'],
  ['ssh://git:pw@host/x', 'ssh://***@host/x'],
  ['https://host/a@b', 'https://host/a@b'],
  ['git@host:x', 'git@host:x'],
];
for (const [text, want] of CASES) {
  test(`redactUrls() makes ${JSON.stringify(want)}`, () => assert.equal(redactUrls(text), want));
}

test('maskUrls() keeps the length', () => {
  assert.equal(maskUrls('ADD https://a:bc@host/x /'), 'ADD https://****@host/x /');
});
