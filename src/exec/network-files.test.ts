import assert from 'node:assert/strict';
import { test } from 'node:test';

import { formatHosts, readResolvConf } from './network-files.js';

test('formatHosts() knows localhost and the host name', () => {
  const [first, second] = formatHosts('box').split('\n');
  assert.equal(first, '127.0.0.1\tlocalhost box');
  assert.match(second ?? '', /^::1\tlocalhost /);
});

test('readResolvConf() names no server without a network', () => {
  assert.equal(readResolvConf('none'), '');
});

for (const [title, own, upstream, want] of [
  ['takes the own file', 'nameserver 9.9.9.9\n', 'nameserver 1.1.1.1\n', 'nameserver 9.9.9.9\n'],
  ['takes a loopback resolver', 'nameserver 127.0.0.53\n', 'x', 'nameserver 127.0.0.53\n'],
  [
    'takes the upstream one for an empty file',
    '# none\n',
    'nameserver 1.1.1.1\n',
    'nameserver 1.1.1.1\n',
  ],
  ['takes the upstream one for no file', undefined, 'nameserver 1.1.1.1\n', 'nameserver 1.1.1.1\n'],
  ['keeps an empty file where there is nothing else', '# none\n', undefined, '# none\n'],
  ['is empty without any file', undefined, undefined, ''],
] as const) {
  test(`readResolvConf() ${title}`, () => {
    const files = new Map([
      ['/etc/resolv.conf', own],
      ['/run/systemd/resolve/resolv.conf', upstream],
    ]);
    assert.equal(
      readResolvConf('host', (path) => files.get(path)),
      want,
    );
  });
}
