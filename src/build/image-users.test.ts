import assert from 'node:assert/strict';
import test from 'node:test';
import { UserError } from '../util/errors.js';
import { parseGroup, parsePasswd, resolveOwner, resolveUser } from './image-users.js';
import type { Accounts } from './image-users.js';

const ACCOUNTS: Accounts = {
  users: parsePasswd(
    [
      'root:x:0:0:root:/root:/bin/bash',
      '# comment',
      'games:x:5:60:games:/usr/games:/usr/sbin/nologin',
      'app:x:1000:1000::/home/app:/bin/sh',
      'broken:x:abc:1::/:',
      'short:x',
      '',
    ].join('\n'),
  ),
  groups: parseGroup('root:x:0:\naudio:x:29:app,games\nvideo:x:44:app\nstaff:x:50:\nbad:x:\n'),
};
const NONE: Accounts = { users: [], groups: [] };

const USERS: readonly (readonly [spec: string, accounts: Accounts, want: unknown])[] = [
  ['', ACCOUNTS, { uid: 0, gid: 0, groups: [0], home: '/root' }],
  ['', NONE, { uid: 0, gid: 0, groups: [0], home: '/root' }],
  ['app', ACCOUNTS, { uid: 1000, gid: 1000, groups: [1000, 29, 44], home: '/home/app' }],
  ['1000', ACCOUNTS, { uid: 1000, gid: 1000, groups: [1000, 29, 44], home: '/home/app' }],
  ['1234', ACCOUNTS, { uid: 1234, gid: 0, groups: [0], home: '/' }],
  ['app:staff', ACCOUNTS, { uid: 1000, gid: 50, groups: [50], home: '/home/app' }],
  ['app:77', ACCOUNTS, { uid: 1000, gid: 77, groups: [77], home: '/home/app' }],
  [':50', ACCOUNTS, { uid: 0, gid: 50, groups: [50], home: '/root' }],
  ['games', ACCOUNTS, { uid: 5, gid: 60, groups: [60, 29], home: '/usr/games' }],
];
for (const [spec, accounts, want] of USERS) {
  test(`resolveUser() of "${spec}"${accounts === NONE ? ' without passwd' : ''}`, () => {
    assert.deepEqual(resolveUser(spec, accounts), want);
  });
}

const OWNERS: readonly (readonly [spec: string, uid: number, gid: number])[] = [
  ['1000', 1000, 1000],
  ['5', 5, 5],
  ['games', 5, 60],
  ['games:staff', 5, 50],
  ['7:8', 7, 8],
  ['app:8', 1000, 8],
];
for (const [spec, uid, gid] of OWNERS) {
  test(`resolveOwner() of "${spec}"`, () => {
    assert.deepEqual(resolveOwner(spec, ACCOUNTS), { uid, gid });
  });
}

const BAD: readonly (readonly [spec: string, message: RegExp])[] = [
  ['nobody', /Cannot find user "nobody" in \/etc\/passwd/],
  ['app:wheel', /Cannot find group "wheel" of "app:wheel" in \/etc\/group/],
  ['a:b:c', /want user\[:group\]/],
  ['app:', /want user\[:group\]/],
  ['4294967295', /want a number up to 4294967294/],
];
for (const [spec, message] of BAD) {
  test(`resolveUser() refuses "${spec}"`, () => {
    assert.throws(
      () => resolveUser(spec, ACCOUNTS),
      (error) => error instanceof UserError && message.test(error.message),
    );
  });
}

test('resolveOwner() knows root in an image without accounts', () => {
  const none: Accounts = { users: [], groups: [] };
  assert.deepEqual(resolveOwner('root', none), { uid: 0, gid: 0 });
  assert.deepEqual(resolveOwner('5:root', none), { uid: 5, gid: 0 });
  assert.throws(() => resolveOwner('root:staff', none), /Cannot find group "staff"/);
  assert.throws(() => resolveOwner('app', none), /Cannot find user "app"/);
});
