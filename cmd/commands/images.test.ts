import assert from 'node:assert/strict';
import test from 'node:test';
import { formatAge } from './images.js';

const NOW_MS = Date.parse('2024-03-10T12:00:00Z');

const CASES = [
  ['2024-03-10T12:00:05Z', '0 minutes ago'],
  ['2024-03-10T11:59:00Z', '1 minute ago'],
  ['2024-03-10T11:58:00Z', '2 minutes ago'],
  ['2024-03-10T11:00:00Z', '1 hour ago'],
  ['2024-03-09T11:00:00Z', '25 hours ago'],
  ['2024-03-08T12:00:00Z', '2 days ago'],
  ['no time', '-'],
] as const;

for (const [created, want] of CASES) {
  test(`formatAge() of ${created}`, () => {
    assert.equal(formatAge(created, NOW_MS), want);
  });
}
