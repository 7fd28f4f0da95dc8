import assert from 'node:assert/strict';
import test from 'node:test';
import { UserError } from '../util/errors.js';
import { expandBody, expandWord, expandWords } from './words.js';

const VALUES: Readonly<Record<string, string>> = {
  DIR: '/srv',
  SH: 'zsh',
  EMPTY: '',
  KO: '한국어',
  NAME: 'archive.tar.gz',
  PATH_LIKE: '/a/bc/d/bc',
  STARS: 'x**y**',
};
const lookup = (name: string): string | undefined => VALUES[name];
const FAILS = Symbol('fails');

/** Text → expansion, with the values above. */
const WORDS: readonly (readonly [text: string, expanded: string | typeof FAILS])[] = [
  ['plain', 'plain'],
  ['', ''],
  ['a  b', 'a  b'],
  // Single quotes: as it is, no escapes.
  ["pl'ai'n", 'plain'],
  ["pl'ain", FAILS],
  ["pl\\'ain", "pl'ain"],
  ["pl\\\\'ain", FAILS],
  ["'$DIR'", '$DIR'],
  ["'${DIR}'", '${DIR}'],
  ["'\\$DIR'", '\\$DIR'],
  ["'end\\'", 'end\\'],
  ["'a\\\\b'", 'a\\\\b'],
  ['\'"both"\'', '"both"'],
  // Double quotes: variables, and escapes of " $ \ only.
  ['"a\\tb"', 'a\\tb'],
  ['"a\\\\tb"', 'a\\tb'],
  ['"a\\"b"', 'a"b'],
  ['"open', FAILS],
  ['"open\\"', FAILS],
  ['"it\'s"', "it's"],
  ['"\'\'"', "''"],
  ['"$DIR"', '/srv'],
  ['"in \'$DIR\'"', "in '/srv'"],
  ['"a\\$DIR"', 'a$DIR'],
  ['"a\\\\$DIR"', 'a\\/srv'],
  // Escapes outside of quotes.
  ['a\\tb', 'atb'],
  ['end\\', 'end'],
  ['end\\\\', 'end\\'],
  ['a\\$DIR', 'a$DIR'],
  ['a\\\\$DIR', 'a\\/srv'],
  ['\\${}', '${}'],
  ['a\\${}b', 'a${}b'],
  // $name
  ['$DIR/x', '/srv/x'],
  ['a$DIR.', 'a/srv.'],
  ['a$dir.', 'a.'],
  ['$DIRECTORY', ''],
  ['$', '$'],
  ['$.', '$.'],
  ['a$.b', 'a$.b'],
  ['$KO', '한국어'],
  ['안$KO', '안한국어'],
  ["안'녕'", '안녕'],
  ['안\\t녕', '안t녕'],
  // Positional and special parameters are never set.
  ['a$1b', 'ab'],
  ['$123abc', 'abc'],
  ['$0', ''],
  ['${12}', ''],
  ['${12:-w}', 'w'],
  ['$@@', '@'],
  ['$*x', 'x'],
  ['$#', ''],
  ['$?', ''],
  ['$-', ''],
  ['$$', ''],
  ['$!', ''],
  ['${@}', ''],
  ['${#:-w}', 'w'],
  ['${?:+w}', ''],
  // ${name}
  ['a${DIR}b', 'a/srvb'],
  ['a${NONE}b', 'ab'],
  ['${EMPTY}', ''],
  ['${}', FAILS],
  ['a${}b', FAILS],
  ['${.}', FAILS],
  ['${{a}', FAILS],
  ['${:}', FAILS],
  ['${:-w}', FAILS],
  ['a${DIR', FAILS],
  ['${', FAILS],
  ['${NONE}}', '}'],
  ['${DIR=w}', FAILS],
  ['${DIR:=w}', FAILS],
  ['${DIR:w}', FAILS],
  ['${DIR@Q}', FAILS],
  // Defaults.
  ['${NONE-w}', 'w'],
  ['${NONE:-w}', 'w'],
  ['${EMPTY-w}', ''],
  ['${EMPTY:-w}', 'w'],
  ['${DIR-w}', '/srv'],
  ['${DIR:-w}', '/srv'],
  ['${NONE:-}', ''],
  ['${NONE:-$DIR}', '/srv'],
  ['${NONE:-${NONE2:-w}}', 'w'],
  ['${NONE:-${DIR:-w}}', '/srv'],
  ['${NONE:-\\$DIR}', '$DIR'],
  ['${NONE:-\\${DIR}z}', '${DIRz}'],
  ['${NONE:-a b}', 'a b'],
  ['${NONE:-{x}', '{x'],
  ["${NONE:-'}'}", '}'],
  ['${NONE:-w', FAILS],
  ['${NONE:-a ${DIR}', FAILS],
  ['${NONE:-w}}', 'w}'],
  // Alternatives.
  ['${NONE+w}', ''],
  ['${NONE:+w}', ''],
  ['${EMPTY+w}', 'w'],
  ['${EMPTY:+w}', ''],
  ['${DIR+w}', 'w'],
  ['${DIR:+w}', 'w'],
  ['${DIR:+${SH}}', 'zsh'],
  ['${DIR:+${DIR}:}x', '/srv:x'],
  ['v1${NONE:+-${NONE}}.tar', 'v1.tar'],
  // Required.
  ['${NONE?}', FAILS],
  ['${NONE:?}', FAILS],
  ['${NONE?why}', FAILS],
  ['${EMPTY?why}', ''],
  ['${EMPTY:?why}', FAILS],
  ['${DIR:?why}', '/srv'],
  // Prefixes and suffixes.
  ['${NAME#*.}', 'tar.gz'],
  ['${NAME##*.}', 'gz'],
  ['${NAME%.*}', 'archive.tar'],
  ['${NAME%%.*}', 'archive'],
  ['${NAME#arch}', 'ive.tar.gz'],
  ['${NAME#zip}', 'archive.tar.gz'],
  ['${NAME#*}', 'archive.tar.gz'],
  ['${NAME##*}', ''],
  ['${NAME#}', 'archive.tar.gz'],
  ['${NAME##}', 'archive.tar.gz'],
  ['${NAME%}', 'archive.tar.gz'],
  ['${NAME#????}', 'ive.tar.gz'],
  ['${NAME%%.tar*}', 'archive'],
  ['${NAME#$NONE}', 'archive.tar.gz'],
  ['${NAME%.${EMPTY}gz}', 'archive.tar'],
  ['${KO#?}', '국어'],
  ['${KO%?}', '한국'],
  ['${STARS%%\\**}', 'x'],
  ['${STARS#x\\*}', '*y**'],
  ['${STARS%\\*}', 'x**y*'],
  ['${NONE#a}', ''],
  ['${NAME:#a}', FAILS],
  ['${NAME:%%a}', FAILS],
  ['${NAME#\\a}', FAILS],
  ['${NAME#a', FAILS],
  // Replacement.
  ['${NAME/ar/AR}', 'ARchive.tar.gz'],
  ['${NAME//ar/AR}', 'ARchive.tAR.gz'],
  ['${NAME/./}', 'archivetar.gz'],
  ['${NAME//./-}', 'archive-tar-gz'],
  ['${NAME/.*/}', 'archive'],
  ['${NAME/zip/x}', 'archive.tar.gz'],
  ['${NAME//?/x}', 'xxxxxxxxxxxxxx'],
  ['${NAME//*/x}', 'x'],
  ['${PATH_LIKE/\\//:}', ':a/bc/d/bc'],
  ['${PATH_LIKE//\\//:}', ':a:bc:d:bc'],
  ['${PATH_LIKE//bc/$SH}', '/a/zsh/d/zsh'],
  ['${NAME/$EMPTY/w}', 'warchive.tar.gz'],
  ['${NAME//$EMPTY/}', 'archive.tar.gz'],
  ['${NAME///}', 'archive.tar.gz'],
  ['${NONE/a/b}', ''],
  ['${NAME/a}', FAILS],
  ['${NAME//}', FAILS],
  ['${NAME/a/b', FAILS],
  // Heredoc words stay words.
  ['a<b', 'a<b'],
  ['<<EOF', '<<EOF'],
];

for (const [text, wanted] of WORDS) {
  test(`expandWord() of ${JSON.stringify(text)}`, () => {
    if (wanted !== FAILS) assert.equal(expandWord(text, lookup), wanted);
    else assert.throws(() => expandWord(text, lookup), hasCodeAndHint);
  });
}

function hasCodeAndHint(error: unknown): boolean {
  return error instanceof UserError && error.code === 'TSB_PARSE' && error.hint !== undefined;
}

const BACKTICK: readonly (readonly [text: string, expanded: string])[] = [
  ['C:\\dir', 'C:\\dir'],
  ['a`$DIR', 'a$DIR'],
  ['"a`"b"', 'a"b'],
  ['a``b', 'a`b'],
  ['\\$DIR', '\\/srv'],
];

for (const [text, wanted] of BACKTICK) {
  test(`expandWord() with escape=\` of ${JSON.stringify(text)}`, () => {
    assert.equal(expandWord(text, lookup, '`'), wanted);
  });
}

const SPACED: Readonly<Record<string, string>> = { two: 'ab  cd', lead: '  x y', trail: 'x y  ' };

const SPLIT: readonly (readonly [text: string, words: readonly string[]])[] = [
  ['one', ['one']],
  ['', []],
  ['  one   two ', ['one', 'two']],
  ['one\\ two', ['one two']],
  ['one"  "two', ['one  two']],
  ['a${none}b', ['ab']],
  ['a${two}b', ['aab', 'cdb']],
  ['a"${two}"b', ['aab  cdb']],
  ['a "${two}"b', ['a', 'ab  cdb']],
  ['a${lead}b', ['a', 'x', 'yb']],
  ['a"${lead}" b', ['a  x y', 'b']],
  ['a${trail}', ['ax', 'y']],
  ['a${trail}b', ['ax', 'y', 'b']],
  ['"${trail}"b', ['x y  b']],
  ['a\\" b', ['a"', 'b']],
  ["a'\\\\b'", ['a\\\\b']],
  ['a"\\\\b"', ['a\\b']],
  ['a${none:-b}c', ['abc']],
  ['a ${none:-b c} d', ['a', 'b', 'c', 'd']],
];

for (const [text, wanted] of SPLIT) {
  test(`expandWords() of ${JSON.stringify(text)}`, () => {
    assert.deepEqual(
      expandWords(text, (name) => SPACED[name]),
      wanted,
    );
  });
}

test('expandBody() takes quotes for ordinary characters', () => {
  assert.equal(expandBody(`it's "$DIR" \\$DIR\n`, lookup), `it's "/srv" $DIR\n`);
});

test('expandWord() says what a required variable lacks', () => {
  assert.throws(
    () => expandWord('x${NONE:?ask $SH}', lookup),
    (error) =>
      error instanceof UserError &&
      error.message === 'Cannot expand "x${NONE:?ask $SH}": "NONE" is not set: ask zsh' &&
      error.hint === 'Pass --build-arg NONE=VALUE',
  );
});

test('expandWord() takes no exponential time for a pattern of many stars', () => {
  const value = 'a'.repeat(2000);
  const pattern = '*a'.repeat(30) + 'b';
  assert.equal(
    expandWord(`\${V##${pattern}}`, () => value),
    value,
  );
});

test('expandWord() refuses values that double without end', () => {
  const value = 'x'.repeat(100_000);
  assert.equal(expandWord('$A$A', () => value).length, 200_000);
  assert.throws(() => expandWord('$A'.repeat(11), () => value), { code: 'TSB_LIMIT' });
});

test('expandWord() takes linear time for many variables', { timeout: 10_000 }, () => {
  const text = '$A-'.repeat(200_000);
  assert.equal(
    expandWord(text, () => ''),
    '-'.repeat(200_000),
  );
});
