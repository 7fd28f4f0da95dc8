import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentRequests } from './agent-messages.js';

const LIST = Buffer.from('000000010b', 'hex');
const SIGN = Buffer.from('000000030d1122', 'hex');
const REMOVE_ALL = Buffer.from('0000000113', 'hex');

function passed(
  requests: AgentRequests,
  chunk: Buffer,
): (readonly [string, boolean])[] | undefined {
  return requests
    .push(chunk)
    ?.map(({ message, isPassedOn }) => [message.toString('hex'), isPassedOn]);
}

test('AgentRequests lets keys be listed and used, not changed', () => {
  assert.deepEqual(passed(new AgentRequests(), Buffer.concat([LIST, SIGN, REMOVE_ALL])), [
    ['000000010b', true],
    ['000000030d1122', true],
    ['0000000113', false],
  ]);
});

test('AgentRequests waits for the rest of a message, wherever it is cut', () => {
  for (let at = 1; at < SIGN.length; at++) {
    const requests = new AgentRequests();
    assert.deepEqual(passed(requests, SIGN.subarray(0, at)), []);
    assert.deepEqual(passed(requests, SIGN.subarray(at)), [['000000030d1122', true]]);
  }
});

for (const [title, hex] of [
  ['an empty message', '00000000'],
  ['a message without end', '7fffffff0b'],
] as const) {
  test(`AgentRequests refuses ${title}`, () => {
    assert.equal(new AgentRequests().push(Buffer.from(hex, 'hex')), undefined);
  });
}
