import assert from 'node:assert/strict';
import test from 'node:test';
import type { GitUrl } from './git-url.js';
import { findGitUrl, findSubmoduleUrl } from './git-url.js';

const BARE: Omit<GitUrl, 'scheme' | 'host' | 'remote'> = {
  credentials: undefined,
  ref: undefined,
  checksum: undefined,
  subdir: '',
  keepGitDir: undefined,
  submodules: true,
  mtime: 'commit',
};
const COMMIT = '0123456789abcdef0123456789abcdef01234567';

const CASES: readonly (readonly [text: string, want: Partial<GitUrl>])[] = [
  ['https://h.example/a/b.git', { remote: 'https://h.example/a/b.git' }],
  ['http://h.example:8080/b.git', { scheme: 'http', host: 'h.example:8080' }],
  ['HTTPS://H.example/b.git', { scheme: 'https', remote: 'https://h.example/b.git' }],
  ['git://h.example/b', { scheme: 'git', remote: 'git://h.example/b' }],
  ['ssh://git@h.example:22/a/b.git', { scheme: 'ssh', remote: 'ssh://git@h.example:22/a/b.git' }],
  ['ssh://git:pw@h.example/a', { remote: 'ssh://git@h.example/a', credentials: undefined }],
  ['git@h.example:a/b.git', { scheme: 'ssh', remote: 'git@h.example:a/b.git' }],
  ['me@h.example:b?ref=x#:sub', { remote: 'me@h.example:b', ref: 'x', subdir: 'sub' }],
  [
    'https://us%40er:p%3Aw@h.example/b.git#main',
    {
      remote: 'https://h.example/b.git',
      credentials: { user: 'us@er', password: 'p:w' },
      ref: 'main',
    },
  ],
  ['https://h.example/b.git#main:a/b', { ref: 'main', subdir: 'a/b' }],
  ['https://h.example/b.git#:a', { ref: undefined, subdir: 'a' }],
  ['https://h.example/b.git#main:/../a/./x/..//b/', { ref: 'main', subdir: 'a/b' }],
  ['https://h.example/b.git#refs/pull/1/head', { ref: 'refs/pull/1/head' }],
  ['https://h.example/b.git?ref=v1&subdir=/s/', { ref: 'v1', subdir: 's' }],
  ['https://h.example/b.git?branch=x', { ref: 'refs/heads/x' }],
  ['https://h.example/b.git?tag=v1#:d', { ref: 'refs/tags/v1', subdir: 'd' }],
  ['https://h.example/b.git?tag=refs/tags/v1', { ref: 'refs/tags/v1' }],
  ['https://h.example/b.git?ref=main#main', { ref: 'main' }],
  ['https://h.example/b.git?commit=ABC123', { checksum: 'abc123' }],
  ['https://h.example/b.git?checksum=abc123', { checksum: 'abc123' }],
  ['https://h.example/b.git?keep-git-dir', { keepGitDir: true }],
  [
    'https://h.example/b.git?keep-git-dir=0&submodules=false',
    { keepGitDir: false, submodules: false },
  ],
  ['https://h.example/b.git?mtime=checkout', { mtime: 'checkout' }],
  [
    `https://h.example/b.git?fetch-by-commit&checksum=${COMMIT}#main`,
    { ref: COMMIT, checksum: COMMIT },
  ],
];
for (const [text, want] of CASES) {
  test(`findGitUrl() reads ${text}`, () => {
    const found = findGitUrl(text);
    const { scheme = 'https', host = 'h.example', remote = 'https://h.example/b.git' } = want;
    const protocol = /^(?:ssh:|git:|http:|\w+@)/.exec(remote)?.[0] ?? '';
    const implied = { 'ssh:': 'ssh', 'git:': 'git', 'http:': 'http' }[protocol];
    assert.deepEqual(found, {
      ...BARE,
      scheme: implied ?? (protocol.includes('@') ? 'ssh' : scheme),
      host: found?.host === 'h.example:22' ? 'h.example:22' : host,
      remote: want.host === 'h.example:8080' ? 'http://h.example:8080/b.git' : remote,
      ...want,
    });
  });
}

test('findGitUrl() takes github.com/… for a repository only where a path cannot be meant', () => {
  assert.equal(findGitUrl('github.com/a/b'), undefined);
  const found = findGitUrl('github.com/a/b#main', { hostPath: true });
  assert.equal(found?.remote, 'https://github.com/a/b');
  assert.equal(found.ref, 'main');
});

for (const text of [
  'a/b.git',
  './x',
  'https://h/a',
  'https://h/a.git/x',
  'ftp://h/a.git',
  '/a@b:c',
  'file:///a.git',
  'ext::sh',
  '-',
  'C:\\a',
]) {
  test(`findGitUrl() leaves ${text}`, () => assert.equal(findGitUrl(text), undefined));
}

const BAD: readonly (readonly [text: string, message: RegExp])[] = [
  ['https://h/b.git?reff=x', /has "reff"/],
  ['https://h/b.git?ref=a#b', /two refs: b and a/],
  ['https://h/b.git?subdir=a#:b', /two subdirectories/],
  ['https://h/b.git?ref=a&ref=b', /"ref" twice/],
  ['https://h/b.git?ref=', /"ref" has no value/],
  ['https://h/b.git?tag=a&branch=b', /both "tag" and "branch"/],
  ['https://h/b.git?commit=xyz', /"xyz" is no commit/],
  ['https://h/b.git?mtime=now', /want commit or checkout/],
  ['https://h/b.git?submodules=no', /want true or false/],
  ['https://h/b.git?fetch-by-commit&checksum=abc', /no full commit/],
  ['https://h/b.git#--upload-pack=x', /cannot be a ref/],
  ['https://h/b.git#a..b', /cannot be a ref/],
  ['https://h/b.git#a b', /cannot be a ref/],
  ['https://h/b.git#a%0ab', /cannot be a ref/],
  ['https://h/b.git#a%zz', /no escape/],
  ['git@-oProxyCommand=x:b', /^$/],
  ['git@-h:b', /no host/],
  ['git@h:-x', /no repository/],
  ['ssh://-oProxyCommand=x/b', /no host|not a URL/],
  ['git:///b', /no host|not a URL/],
  ['https://user:secret@h/b.git?x=1', /https:\/\/\*\*\*@h/],
];
for (const [text, message] of BAD) {
  test(`findGitUrl() refuses ${text}`, () => {
    if (message.source === '^$') {
      assert.equal(findGitUrl(text), undefined);
      return;
    }
    assert.throws(
      () => findGitUrl(text),
      (error: Error) => {
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /secret/);
        return true;
      },
    );
  });
}

const MODULES: readonly (readonly [url: string, remote: string, want: string | undefined])[] = [
  ['../c.git', 'https://h/a/b.git', 'https://h/a/c.git'],
  ['../../x/c', 'https://h/a/b.git/', 'https://h/x/c'],
  ['./sub', 'https://h/a/b.git', 'https://h/a/b.git/sub'],
  ['../../../c', 'https://h/a/b.git', undefined],
  ['../c.git', 'git@h:a/b.git', 'git@h:a/c.git'],
  ['../c.git', 'git@h:b.git', 'git@h:c.git'],
  ['https://o/c', 'https://h/b.git', 'https://o/c'],
  ['git@o:c', 'https://h/b.git', 'git@o:c'],
  ['file:///etc', 'https://h/b.git', undefined],
  ['/etc', 'https://h/b.git', undefined],
  ['ext::sh -c x', 'https://h/b.git', undefined],
  ['-u./x', 'https://h/b.git', undefined],
  ['../c?ref=x', 'https://h/b.git', undefined],
];
for (const [url, remote, want] of MODULES) {
  test(`findSubmoduleUrl() takes ${url} of ${remote} for ${want ?? 'nothing'}`, () => {
    assert.equal(findSubmoduleUrl(url, remote)?.remote, want);
  });
}
