import assert from 'node:assert/strict';
import test from 'node:test';
import { parseChallenges } from './challenge.js';
import { DEFAULT_LIMITS } from './limits.js';
import { backoffMs, parseRetryAfter } from './retry.js';

const CASES: [header: string | string[] | undefined, want: [string, Record<string, string>][]][] = [
  [undefined, []],
  ['', []],
  ['Basic realm="basic-realm"', [['basic', { realm: 'basic-realm' }]]],
  [
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"',
    [
      [
        'bearer',
        {
          realm: 'https://auth.docker.io/token',
          service: 'registry.docker.io',
          scope: 'repository:a/b:pull,push',
        },
      ],
    ],
  ],
  [
    'Negotiate, BEARER Realm = "a\\"b" , x=y, Basic realm=""',
    [
      ['negotiate', {}],
      ['bearer', { realm: 'a"b', x: 'y' }],
      ['basic', { realm: '' }],
    ],
  ],
  [
    ['Basic realm="a"', 'Bearer realm="b"'],
    [
      ['basic', { realm: 'a' }],
      ['bearer', { realm: 'b' }],
    ],
  ],
  ['Bearer realm="unclosed', [['bearer', {}]]],
  ['realm="no scheme"', []],
];

for (const [header, want] of CASES) {
  test(`parseChallenges() reads ${JSON.stringify(header ?? null).slice(0, 50)}`, () => {
    const found = parseChallenges(header);
    assert.deepEqual(
      found.map(({ scheme, params }) => [scheme, Object.fromEntries(params)]),
      want,
    );
  });
}

test('parseChallenges() takes linear time', () => {
  parseChallenges(`Bearer realm="${'\\"'.repeat(100_000)}`);
  parseChallenges(', '.repeat(100_000));
});

test('parseRetryAfter() reads seconds and dates', () => {
  const now = Date.parse('Fri, 20 Nov 2026 10:00:00 GMT');
  assert.equal(parseRetryAfter('120', now), 120_000);
  assert.equal(parseRetryAfter('Fri, 20 Nov 2026 10:00:05 GMT', now), 5000);
  assert.equal(parseRetryAfter('Fri, 20 Nov 2026 09:00:00 GMT', now), 0);
  assert.equal(parseRetryAfter('soon', now), undefined);
  assert.equal(parseRetryAfter(undefined, now), undefined);
});

test('backoffMs() doubles up to its limit', () => {
  const middle = (attempt: number): number => backoffMs(attempt, DEFAULT_LIMITS, () => 0.5);
  assert.deepEqual([1, 2, 3, 99].map(middle), [187.5, 375, 750, 7500]);
});
