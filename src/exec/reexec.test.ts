import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

import { parseSubordinateIds, subordinateIdsOf, usermodLine } from './host-facts.js';
import { NAMESPACED, isNamespaced } from './reexec.js';

const MODULE = new URL('reexec.js', import.meta.url).href;
const INSIDE = `
const { enterNamespaces } = await import(${JSON.stringify(MODULE)});
const { readlinkSync, readFileSync } = await import('node:fs');
enterNamespaces({ argv: process.argv, env: process.env });
console.log(JSON.stringify({
  pid: process.pid, uid: process.getuid(), home: process.env.HOME, args: process.argv.slice(1),
  cwd: process.cwd(), mnt: readlinkSync('/proc/self/ns/mnt'),
  shared: /shared:|master:/.test(readFileSync('/proc/self/mountinfo', 'utf8')),
}));`;

interface Report {
  readonly pid: number;
  readonly uid: number;
  readonly home: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly mnt: string;
  readonly shared: boolean;
}

function enter(env: Record<string, string>): Report & { readonly spawned: number } {
  // Options of node itself must survive, too: --input-type.
  const args = ['--input-type=module', '-e', INSIDE, 'an argument', '--flag'];
  const { stdout, stderr, pid } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    cwd: '/tmp',
    env: { PATH: process.env['PATH'], ...env },
  });
  assert.equal(stderr, '');
  return { ...(JSON.parse(stdout) as Report), spawned: pid };
}

for (const [title, env] of [
  ['with nothing set', {}],
  ['with a stray marker', { [NAMESPACED]: '1' }],
  ['with the marker of another process', { [NAMESPACED]: '1,mnt:[1]' }],
] as const) {
  test(`enterNamespaces() makes a root with private mounts, ${title}`, () => {
    const inside = enter({ HOME: '/home/somebody', ...env });
    assert.equal(inside.pid, inside.spawned, 'the process stays the same');
    assert.equal(inside.uid, 0);
    assert.equal(inside.home, '/home/somebody');
    assert.equal(inside.cwd, '/tmp');
    assert.equal(inside.shared, false);
    assert.deepEqual(inside.args, ['an argument', '--flag']);
  });
}

test('enterNamespaces() keeps the home of a user without HOME', () => {
  assert.notEqual(enter({}).home, undefined);
});

test('isNamespaced() wants this process, elsewhere', () => {
  assert.equal(isNamespaced({}), false);
  assert.equal(isNamespaced({ [NAMESPACED]: '1' }), false);
  assert.equal(isNamespaced({ [NAMESPACED]: `${process.pid}` }), false);
  assert.equal(isNamespaced({ [NAMESPACED]: `${process.pid},mnt:[1]` }), true);
});

const SUBUID = '# comment\nalice:100000:65536\n1000:300000:10\nbad:x:1\nshort:1\n';

test('parseSubordinateIds() takes the well-formed lines', () => {
  assert.deepEqual(parseSubordinateIds(SUBUID), [
    { owner: 'alice', start: 100000, count: 65536 },
    { owner: '1000', start: 300000, count: 10 },
  ]);
});

test('subordinateIdsOf() goes by name and by number', () => {
  const all = parseSubordinateIds(SUBUID);
  const owners = (uid: number, name: string): string[] =>
    subordinateIdsOf(all, { uid, name }).map(({ owner }) => owner);
  assert.deepEqual(owners(1000, 'alice'), ['alice', '1000']);
  assert.deepEqual(owners(7, 'bob'), []);
});

test('usermodLine() gives away ids that nobody has', () => {
  const line = 'sudo usermod --add-subuids 300010-365545 --add-subgids 300010-365545 bob';
  assert.equal(usermodLine('bob', parseSubordinateIds(SUBUID)), line);
  assert.match(usermodLine('bob', []), /100000-165535/);
});
