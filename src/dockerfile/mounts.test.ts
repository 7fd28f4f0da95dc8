import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RunMount } from './mounts.js';
import { findMountFrom, parseMount } from './mounts.js';

const NO_OWNER = { mode: undefined, uid: undefined, gid: undefined };
const BIND = { type: 'bind', target: '', from: undefined, source: '', readOnly: true } as const;
const CACHE = {
  type: 'cache',
  target: '',
  id: undefined,
  from: undefined,
  source: '',
  readOnly: false,
  sharing: 'shared',
  owner: NO_OWNER,
} as const;
const TMPFS = { type: 'tmpfs', target: '', sizeBytes: undefined, readOnly: false } as const;
const SECRET = {
  type: 'secret',
  target: '',
  id: '',
  env: undefined,
  required: false,
  owner: NO_OWNER,
} as const;
const SSH = { type: 'ssh', target: '', id: 'default', required: false, owner: NO_OWNER } as const;

const CASES: readonly (readonly [text: string, want: RunMount])[] = [
  ['target=/a', { ...BIND, target: '/a' }],
  ['type=bind,dst=a,src=b/c,from=x', { ...BIND, target: 'a', source: 'b/c', from: 'x' }],
  ['TYPE=Bind,Destination=/a,rw', { ...BIND, target: '/a', readOnly: false }],
  ['readwrite=false,target=/a', { ...BIND, target: '/a' }],
  ['ro=0,target=/a', { ...BIND, target: '/a', readOnly: false }],
  ['rw,ro,target=/a', { ...BIND, target: '/a' }],
  ['target=/a,target=/b', { ...BIND, target: '/b' }],
  ['"target=/a,b",source=c', { ...BIND, target: '/a,b', source: 'c' }],
  ['type=bind,target=/a,id=unused', { ...BIND, target: '/a' }],
  ['from=,target=/a', { ...BIND, target: '/a' }],
  ['type=cache,target=/c', { ...CACHE, target: '/c' }],
  [
    'type=cache,target=/c,id=x,sharing=LOCKED,from=s,source=d,ro',
    { ...CACHE, target: '/c', id: 'x', sharing: 'locked', from: 's', source: 'd', readOnly: true },
  ],
  [
    'type=cache,target=/c,mode=0751,uid=1001,gid=1002',
    { ...CACHE, target: '/c', owner: { mode: 0o751, uid: 1001, gid: 1002 } },
  ],
  ['type=tmpfs,target=/t', { ...TMPFS, target: '/t' }],
  ['size=1.5k,target=/t,type=tmpfs', { ...TMPFS, target: '/t', sizeBytes: 1536 }],
  ['type=tmpfs,target=/t,size=0,readonly', { ...TMPFS, target: '/t', readOnly: true }],
  ['type=secret,id=s', { ...SECRET, id: 's' }],
  ['type=secret,source=s', { ...SECRET, id: 's' }],
  ['type=secret,target=/run/x/s/', { ...SECRET, id: 's', target: '/run/x/s/' }],
  ['id=s,required,type=secret', { ...SECRET, id: 's', required: true }],
  ['type=secret,id=s,required=false,env=S', { ...SECRET, id: 's', env: 'S' }],
  [
    'type=secret,id=s,mode=444,uid=7',
    { ...SECRET, id: 's', owner: { mode: 0o444, uid: 7, gid: undefined } },
  ],
  ['type=ssh', SSH],
  ['type=ssh,id=k,required=true,target=/s', { ...SSH, id: 'k', required: true, target: '/s' }],
];

for (const [text, want] of CASES) {
  test(`parseMount() of ${text}`, () => {
    assert.deepEqual(
      parseMount(text, (word) => word),
      want,
    );
  });
}

test('parseMount() expands every value, and no key', () => {
  const seen: string[] = [];
  const expand = (word: string): string => {
    seen.push(word);
    return word.replace('$T', 'cache').replace('$P', '/p');
  };
  assert.deepEqual(parseMount('type=$T,target=$P/x,id=$I,ro', expand), {
    ...CACHE,
    target: '/p/x',
    id: '$I',
    readOnly: true,
  });
  assert.deepEqual(seen, ['$T', '$P/x', '$I']);
});

const REFUSALS: readonly (readonly [text: string, found: RegExp, hint: RegExp])[] = [
  ['typ=tmpfs', /unknown key "typ"/, /^Did you mean type\?$/],
  ['type=tmp,target=/a', /type=tmp, want one of bind, cache/, /^Did you mean type=tmpfs\?$/],
  ['type=cache,target=/c,sharing=lock', /sharing=lock/, /^Did you mean sharing=locked\?$/],
  ['target', /"target", want key=value/, /^Did you mean target\?$/],
  ['type=tmpfs,target=/a,', /"", want key=value/, /^Keys are type/],
  ['nonsense,target=/a', /"nonsense", want key=value/, /^Keys are type/],
  ['rw=maybe,target=/a', /rw=maybe, want true or false/, /^Write rw/],
  ['target=/a,required', /required for type=bind/, /secret, ssh/],
  ['target=/a,size=5', /size for type=bind/, /tmpfs/],
  ['type=tmpfs,target=/a,size=big', /size=big/, /size=64m/],
  ['target=/a,mode=0700', /mode for type=bind/, /cache, secret, ssh/],
  ['type=cache,target=/a,mode=9', /mode=9, want an octal/, /0400/],
  ['type=cache,target=/a,uid=root', /uid=root, want a number/, /1000/],
  ['type=cache,target=/a,uid=4294967296', /uid=4294967296/, /1000/],
  ['target=/a,sharing=locked', /sharing for type=bind/, /cache/],
  ['type=secret', /neither id nor target/, /id=NAME/],
  ['type=secret,id=a,source=b', /both id and source/, /id alone/],
  ['type=secret,id=a,from=b', /from for type=secret/, /--secret/],
  ['type=secret,id=a,env=', /env=/, /env=NAME/],
  ['type=ssh,source=x', /source for type=ssh/, /id=NAME/],
  ['target=/a"b', /quote in the middle/, /Quote a whole field/],
];

for (const [text, found, hint] of REFUSALS) {
  test(`parseMount() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(
      () => parseMount(text, (word) => word),
      (error: Error & { code?: string; hint?: string }) =>
        error.code === 'TSB_PARSE' && found.test(error.message) && hint.test(error.hint ?? ''),
    );
  });
}

const SOURCES: readonly (readonly [text: string, want: string | undefined])[] = [
  ['target=/a', undefined],
  ['target=$x,from=build', 'build'],
  ['FROM=build,typ=x', 'build'],
  ['from=cost$', 'cost$'],
];

for (const [text, want] of SOURCES) {
  test(`findMountFrom() of ${text}`, () => assert.equal(findMountFrom(text), want));
}

test('findMountFrom() refuses a variable', () => {
  assert.throws(() => findMountFrom('from=$x,target=/a'), { code: 'TSB_PARSE' });
});
