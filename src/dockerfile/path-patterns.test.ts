import assert from 'node:assert/strict';
import test from 'node:test';
import { UserError } from '../util/errors.js';
import { compilePathPattern, parsePathPatterns, PathPatterns } from './path-patterns.js';

/** Patterns, separated by blanks → paths that match, and that do not. */
const CASES: readonly (readonly [patterns: string, yes: string, no: string])[] = [
  ['*', 'abc abc/def', ''],
  ['*c', 'abc abc/x', 'cab ab/c'],
  ['a*', 'a abc ab/c', 'b ba'],
  ['a*/b', 'abc/b a/b abc/b/x', 'a/c/b ab'],
  ['a*b*c*d*e*/f', 'axbxcxdxe/f axbxcxdxexxx/f', 'axbxcxdxe/xxx/f axbxcxdxexxx/fff'],
  ['a*b?c*x', 'abxbbxdbxebxczzx', 'abxbbxdbxebxczzy'],
  ['ab[c]', 'abc', 'abd'],
  ['ab[b-d]', 'abc', 'abe'],
  ['ab[^b-d]', 'abe', 'abc'],
  ['a[^a]b', 'a☺b axb', 'aab'],
  ['a?b', 'a☺b', 'a/b ab'],
  ['a???b', '', 'a☺b'],
  ['[a-ζ]*', 'α', 'A'],
  ['[\\]a]', '] a', 'b'],
  ['[\\-]', '-', 'x'],
  ['[x\\-]', 'x -', 'z'],
  ['[\\-x]', 'x -', 'a'],
  ['*x', 'xxx', 'xxy'],
  ['a\\*b', 'a*b', 'ab axb'],
  ['a\\\\', 'a\\', 'a'],
  ['abc.def', 'abc.def', 'abcdef abcZdef'],
  ['abc?def', 'abcZdef', 'abcdef'],
  ['a(b)c/def', 'a(b)c/def', 'a(b)c/xyz abc/def'],
  ['a.|)$(}+{bc', 'a.|)$(}+{bc', 'aX|)$(}+{bc'],
  ['**', 'file dir/file a/b/c', ''],
  ['**/', 'file dir/file', ''],
  ['**/**', 'dir/file file', ''],
  ['dir/**', 'dir/file dir/a/file', 'dir other/dir/x'],
  ['**/dir', 'dir dir/file a/dir a/b/dir/c', 'adir a/dirs'],
  ['**/dir2/*', 'dir/dir2/file dir2/file', 'dir2 dir/dir2'],
  ['**/dir2/**', 'dir/dir2/dir3/file dir2/x', 'dir2'],
  ['**file', 'file dir/file dir/dir/file myfile', 'files'],
  ['**/file*txt', 'dir/dir/file.txt filetxt', 'dir/file.txt2'],
  ['**/file*.txt*', 'dir/file.txt dir/file.1.txt.gz', 'dir/file'],
  ['**/**/*.txt', 'dir/dir/file.txt file.txt', 'file.txt2'],
  ['a**/*.txt', 'a/file.txt a/dir/dir/file.txt', 'b/file.txt'],
  ['a/*.txt', 'a/file.txt', 'a/dir/file.txt'],
  ['a/*.txt**', 'a/file.txt a/file.txt.gz', 'a/b/file.txt'],
  ['**/foo/bar', 'foo/bar dir/foo/bar a/b/foo/bar', 'foo xfoo/bar'],
  ['**/.foo', '.foo a/.foo', 'bar.foo'],
  ['.*', '.foo', 'foo'],
  ['***', 'a a/b', ''],
  ['a[^b]c', 'axc a/c', 'abc'],
  // A list: the last one that matches decides.
  ['!x.go *.go', 'x.go', ''],
  ['*.go !x.go', 'y.go', 'x.go'],
  ['docs !docs/README.md', 'docs docs/a', 'docs/README.md'],
  ['docs/* !docs/README.md', 'docs/a', 'docs/README.md docs'],
  ['** !util/web', 'x util', 'util/web util/web/foo'],
  ['** !util/web util/web/foo', 'util/web/foo', 'util/web/bar'],
  ['** !dist/*.whl', 'dist/x', 'dist/x-1.0+g.whl'],
  // An exception is not asked where nothing matched yet.
  ['a/b !a', 'a/b a/b/c', 'a a/c'],
  ['a !a/b a/b/c', 'a a/x a/b/c', 'a/b a/b/d'],
  // As written on a command line.
  ['./a /b c/ d/../e', 'a b c e', 'd d/e'],
  ['../a', '', 'a'],
];

for (const [patterns, yes, no] of CASES) {
  test(`PathPatterns of ${patterns}`, () => {
    const list = parsePathPatterns(patterns.split(' '));
    for (const path of yes.split(' ').filter(Boolean)) assert(list.matches(path), path);
    for (const path of no.split(' ').filter(Boolean)) assert(!list.matches(path), path);
  });
}

test('parsePathPatterns() drops empty patterns and refuses malformed ones', () => {
  assert.equal(parsePathPatterns(['', '  ', '\u00a0']).isEmpty, true);
  for (const pattern of ['!', '! ', '[', 'a[', '[]a]', '[-]', '[x-]', '[-x]', '[a-b-c]', '\\']) {
    assert.throws(() => parsePathPatterns([pattern]), UserError, pattern);
  }
});

test('decidedBy() names the pattern, exceptions too', () => {
  const list = parsePathPatterns([' *.md', '!README.md']);
  assert.equal(list.decidedBy('a.md')?.written, '*.md');
  assert.equal(list.decidedBy('README.md')?.written, '!README.md');
  assert.equal(list.decidedBy('x'), undefined);
});

const REACHES: readonly (readonly [pattern: string, yes: string, no: string])[] = [
  [
    'packages/*/package.json',
    'packages packages/a packages/a/package.json/x',
    'src packages/a/src',
  ],
  ['**/x', 'a a/b', ''],
  ['a/**/x', 'a a/b a/b/c', 'b'],
  ['a/b**/x', 'a a/b a/c', 'c'],
  ['a[/]b/c', 'a a/b', ''],
  ['a\\/b', 'a', ''],
];
for (const [pattern, yes, no] of REACHES) {
  test(`mayMatchBelow() with ${pattern}`, () => {
    const list = new PathPatterns([compilePathPattern(pattern)]);
    assert(list.mayMatchBelow(''));
    for (const dir of yes.split(' ').filter(Boolean)) assert(list.mayMatchBelow(dir), dir);
    for (const dir of no.split(' ').filter(Boolean)) assert(!list.mayMatchBelow(dir), dir);
  });
}

test('a compiled pattern may begin with an exclamation mark', () => {
  assert(new PathPatterns([compilePathPattern('!x')]).matches('!x'));
});
