import assert from 'node:assert/strict';
import test from 'node:test';
import { Origins, parseHosts } from './origin.js';

const ORIGINS = new Origins(['localhost:5000', 'Plain.example:80', '[::1]:5000']);

const BASES: [domain: string, want: string][] = [
  ['docker.io', 'https://registry-1.docker.io/v2/'],
  ['ghcr.io', 'https://ghcr.io/v2/'],
  ['localhost:5000', 'http://localhost:5000/v2/'],
  ['localhost:5001', 'https://localhost:5001/v2/'],
  ['localhost', 'https://localhost/v2/'],
  ['plain.example:80', 'http://plain.example/v2/'],
  ['[::1]:5000', 'http://[::1]:5000/v2/'],
];

for (const [domain, want] of BASES) {
  test(`baseUrl() of ${domain}`, () => {
    assert.equal(ORIGINS.baseUrl(domain).href, want);
  });
}

const BASE = new URL('https://ghcr.io/v2/x/blobs/uploads/');
const FOLLOWED: [location: string, want: string | RegExp][] = [
  ['/v2/y?a=b', 'https://ghcr.io/v2/y?a=b'],
  ['https://cdn.example/x', 'https://cdn.example/x'],
  ['http://plain.example/x', 'http://plain.example/x'],
  ['http://ghcr.io/x?secret', /sent to http:\/\/ghcr\.io, want https$/],
  ['http://localhost:5001/x', /want https$/],
  ['file:///etc/passwd', /sent to file:\/\/, want https$/],
  ['https://', /no URL/],
];

for (const [location, want] of FOLLOWED) {
  test(`follow() of ${location}`, () => {
    if (want instanceof RegExp) assert.throws(() => ORIGINS.follow(location, BASE, 'x'), want);
    else assert.equal(ORIGINS.follow(location, BASE, 'x').href, want);
  });
}

test('parseHosts() reads a list', () => {
  assert.deepEqual(parseHosts(undefined), []);
  assert.deepEqual(parseHosts(' localhost:5000, 10.0.0.7,,[::1]:5000'), [
    'localhost:5000',
    '10.0.0.7',
    '[::1]:5000',
  ]);
  for (const bad of ['http://x', 'x/y', 'a b', 'x:99999', 'u@x']) {
    assert.throws(() => parseHosts(bad), /want host\[:port\]/);
  }
});
