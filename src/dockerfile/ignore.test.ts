import assert from 'node:assert/strict';
import test from 'node:test';
import { UserError } from '../util/errors.js';
import { goMatch, hasWildcard } from './go-match.js';
import { parseIgnore } from './ignore.js';

/** Patterns (lines) → path → ignored? */
const CASES: readonly (readonly [patterns: string, path: string, ignored: boolean])[] = [
  ['', 'file', false],
  ['*', 'file', true],
  ['*.go', 'x.go', true],
  ['*.go', 'dir/x.go', false],
  ['*.go', 'dir.go/x', true],
  ['# *', 'file', false],
  [' # x', '# x', true],
  ['  spaced  ', 'spaced', true],
  ['\uFEFF*.go', 'x.go', true],
  ['x.go\r\ny.go\r\n', 'x.go', true],
  ['x.go \t\r\ny.go\u0085', 'y.go', true],
  ['a\n\uFEFF*.go', 'x.go', false],
  ['\\#x', '#x', true],
  ['/../up', 'up', true],
  ['../up', 'up', false],
  ['/', 'a', false],
  ['.', 'a', false],
  ['! /inverted/abs\nabs', 'abs', true],
  ['*\n! /inverted/abs', 'inverted/abs', false],
  ['/abs', 'abs', true],
  ['./rel', 'rel', true],
  ['a/../b', 'b', true],
  ['a//b/', 'a/b', true],
  // Many wildcards.
  ['*a*b*c', 'xaybzc', true],
  ['*a*b*c', 'xa/ybzc', false],
  ['*a*b*c', 'cba', false],
  ['**/x*/**/y*[0-9]', 'x/y1', true],
  ['**/x*/**/y*[0-9]', 'a/b/xx/c/d/y-2', true],
  ['**/x*/**/y*[0-9]', 'a/b/c/d/y-2', false],
  ['**/x*/**/y*[0-9]', 'a/bx/c/d/y-2', false],
  ['*?/**/*?/*?', 'a/b', false],
  ['*?/**/*?/*?', 'a/b/c', true],
  ['a*/b*/c*/**', 'a/b/c/d/e', true],
  ['a*/b*/c*/**', 'a/b/d/e', false],
  ['*a*a*\\*', 'aa*', true],
  // Exceptions: the last match decides.
  ['!x.go\n*.go', 'x.go', true],
  ['*.go\n!x.go', 'x.go', false],
  ['*.go\n!x.go', 'y.go', true],
  ['*.go\n! x.go', 'x.go', false],
  ['docs\n!docs/README.md', 'docs/README.md', false],
  ['docs\n!docs/README.md', 'docs/other', true],
  ['docs/\n!docs/README.md', 'docs/README.md', false],
  ['docs/*\n!docs/README.md', 'docs/README.md', false],
  ['*\n!a\na/b', 'a/b', true],
  ['*\n!a\na/b', 'a/c', false],
  ['**\n!util/web', 'util/web/foo', false],
  ['**\n!util/web\nutil/web/foo', 'util/web/foo', true],
  ['**\n!dist/*.whl', 'dist/x-1.0+g.whl', false],
  // Directories above.
  ['dir', 'dir/a/b/c', true],
  ['*/b', 'a/b/c', true],
  ['dir', 'director/x', false],
  // **
  ['**', 'file', true],
  ['**', 'dir/file', true],
  ['**/', 'file', true],
  ['**/**', 'dir/file', true],
  ['dir/**', 'dir/file', true],
  ['dir/**', 'dir/a/file', true],
  ['dir/**', 'dir', false],
  ['**/dir', 'dir', true],
  ['**/dir', 'dir/file', true],
  ['**/dir', 'a/dir', true],
  ['**/dir', 'adir', false],
  ['**/dir2/*', 'dir/dir2/file', true],
  ['**/dir2/**', 'dir/dir2/dir3/file', true],
  ['**file', 'dir/dir/file', true],
  ['**file', 'myfile', true],
  ['**file*', 'myfile', false],
  ['**/file', 'dir/dir/file', true],
  ['**/file*', 'dir/dir/file.txt', true],
  ['**/file*txt', 'dir/dir/file.txt', true],
  ['**/file*.txt*', 'dir/dir/file.txt', true],
  ['**/**/*.txt', 'dir/dir/file.txt', true],
  ['**/**/*.txt2', 'dir/dir/file.txt', false],
  ['**/*.txt', 'file.txt', true],
  ['a**/*.txt', 'a/file.txt', true],
  ['a**/*.txt', 'a/dir/dir/file.txt', true],
  ['a/*.txt', 'a/dir/file.txt', false],
  ['a/*.txt**', 'a/file.txt', true],
  ['**/.foo', '.foo', true],
  ['**/.foo', 'bar.foo', false],
  ['node_modules\n**/node_modules', 'a/b/node_modules/c', true],
  // Classes, escapes, characters that only look special.
  ['a[b-d]e', 'ace', true],
  ['a[b-d]e', 'aae', false],
  ['a[^b-d]e', 'aze', true],
  ['a[^b-d]e', 'ace', false],
  ['a[\\]]e', 'a]e', true],
  ['a[\\-z]e', 'a-e', true],
  ['a[\\-z]e', 'ame', false],
  ['.*', '.foo', true],
  ['.*', 'foo', false],
  ['abc.def', 'abcZdef', false],
  ['abc?def', 'abcZdef', true],
  ['abc?def', 'abc/def', false],
  ['a\\\\', 'a\\', true],
  ['a\\*b', 'a*b', true],
  ['a\\*b', 'axb', false],
  ['a\\ b', 'a b', true],
  ['a(b)c/def', 'a(b)c/def', true],
  ['a.|)$(}+{bc', 'a.|)$(}+{bc', true],
  ['*.|)$(}+{bc', 'a.|)$(}+{bc', true],
  ['*-1.0+g.whl', 'x-1.0+g.whl', true],
  ['é?', 'éß', true],
];

for (const [patterns, path, ignored] of CASES) {
  test(`ignores() with ${JSON.stringify(patterns)} of ${path}`, () => {
    assert.equal(parseIgnore(patterns).ignores(path), ignored);
  });
}

const WALKS: readonly (readonly [patterns: string, dir: string, enter: boolean])[] = [
  ['docs', 'src', true],
  ['docs', 'docs', false],
  ['docs\n!src/x', 'docs', false],
  ['docs\n!docs/README.md', 'docs', true],
  ['docs\n!docs/README.md', 'docs/api', false],
  ['docs\n!docs/*/x', 'docs/api', true],
  ['docs\n!docs/*/x', 'docs/api/deep', false],
  ['docs\n!**/keep', 'docs/api/deep', true],
  ['*\n!a/b/c', 'a', true],
  ['*\n!a/b/c', 'a/b', true],
  ['*\n!a/b/c', 'a/c', false],
  ['*\n!a', 'a', true],
  ['*\n!a', 'a/b', true],
  ['*', '', true],
];

for (const [patterns, dir, enter] of WALKS) {
  test(`mayContainUnignored() with ${JSON.stringify(patterns)} of ${dir}`, () => {
    assert.equal(parseIgnore(patterns).mayContainUnignored(dir), enter);
  });
}

const BROKEN: readonly (readonly [text: string, line: number])[] = [
  ['!', 1],
  ['a\n[', 2],
  ['a\n\n# c\n[]a]', 4],
  ['a\\', 1],
  ['[a', 1],
  ['[a-]', 1],
  ['[-a]', 1],
  ['x\n[z-a]', 2],
  ['*a*b*[a-0c]', 1],
];

for (const [text, line] of BROKEN) {
  test(`parseIgnore() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(
      () => parseIgnore(text, '.dockerignore'),
      (error) =>
        error instanceof UserError &&
        error.code === 'TSB_PARSE' &&
        error.source?.startLine === line &&
        error.hint !== undefined,
    );
  });
}

test('ignores() answers the same whatever was asked before', () => {
  const text = '**\n!a/b/c\na/b/c/d\n!**/z';
  const paths = ['a', 'a/b', 'a/b/c', 'a/b/c/d', 'a/b/c/d/z', 'x/z', 'x/y'];
  const walked = parseIgnore(text);
  for (const path of paths) walked.ignores(path);
  for (const path of paths) {
    assert.equal(walked.ignores(path), parseIgnore(text).ignores(path), path);
  }
});

const MATCHES: readonly (readonly [pattern: string, name: string, matches: boolean])[] = [
  ['', '', true],
  ['abc', 'abc', true],
  ['abc', 'ab', false],
  ['*', '', true],
  ['*', 'abc', true],
  ['*', 'a/b', false],
  ['*c', 'abc', true],
  ['a*', 'ab/c', false],
  ['a*/b', 'abc/b', true],
  ['a*/b', 'a/c/b', false],
  ['a*b*c*d*e*/f', 'axbxcxdxexxx/f', true],
  ['a*b*c*d*e*/f', 'axbxcxdxe/xxx/f', false],
  ['a*b?c*x', 'abxbbxdbxebxczzx', true],
  ['a*b?c*x', 'abxbbxdbxebxczzy', false],
  ['ab[c]', 'abc', true],
  ['ab[^c]', 'abc', false],
  ['ab[^e-g]', 'abc', true],
  ['a?b', 'a☺b', true],
  ['a???b', 'a☺b', false],
  ['a[^a]b', 'a☺b', true],
  ['[a-ζ]*', 'α', true],
  ['*[a-ζ]', 'A', false],
  ['a?b', 'a/b', false],
  ['[\\]a]', ']', true],
  ['[\\-x]', '-', true],
  ['[x\\-]', 'z', false],
  ['*x', 'xxx', true],
  ['\\*', '*', true],
];

for (const [pattern, name, matches] of MATCHES) {
  test(`goMatch() of ${JSON.stringify(pattern)} and ${JSON.stringify(name)}`, () => {
    assert.equal(goMatch(pattern, name), matches);
  });
}

for (const pattern of ['[]a]', '[-]', '[x-]', '[-x]', '[a-b-c]', '[', '[^', '[^bc', 'a[', '\\']) {
  test(`goMatch() refuses ${JSON.stringify(pattern)}`, () => {
    assert.throws(() => goMatch(pattern, 'a'), UserError);
  });
}

test(
  'parseIgnore() takes no exponential time for a pattern of many stars',
  { timeout: 10_000 },
  () => {
    const ignore = parseIgnore(`${'a*'.repeat(60)}b\n${'**/'.repeat(40)}a*b\n`);
    assert.equal(ignore.ignores('a'.repeat(250)), false);
  },
);

test('ignoredBy() names the line that decides', () => {
  const ignore = parseIgnore(
    '\uFEFF# all\n*\n\n!docs \r\n  docs/*.md\r\n!docs/keep.md\n',
    'ctx/.x',
  );
  const found = (path: string): string | undefined => {
    const by = ignore.ignoredBy(path);
    return by && `${by.pattern} ${by.source.file}:${by.source.startLine}`;
  };
  assert.equal(found('a'), '* ctx/.x:2');
  assert.equal(found('docs'), undefined);
  assert.equal(found('docs/a.md'), 'docs/*.md ctx/.x:5');
  assert.equal(found('docs/keep.md'), undefined);
  assert.equal(found(''), undefined);
  assert.equal(ignore.hasExceptions, true);
});

const WILDCARDS: readonly (readonly [path: string, has: boolean])[] = [
  ...(['a*', '?', 'x[', 'a\\\\*', '\\a*'] as const).map((path) => [path, true] as const),
  ...(['', 'a', 'a\\*', '\\[\\?', 'a]', 'a\\'] as const).map((path) => [path, false] as const),
];
for (const [path, has] of WILDCARDS) {
  test(`hasWildcard() of ${JSON.stringify(path)}`, () => assert.equal(hasWildcard(path), has));
}
