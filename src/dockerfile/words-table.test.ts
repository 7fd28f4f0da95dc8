import assert from 'node:assert/strict';
import test from 'node:test';
import { UserError } from '../util/errors.js';
import { expandWord, lexWords } from './words.js';

/*
 * Cases that BuildKit's own tables of the shell lexer have, in other words: what words.test.ts
 * does not have one by one.
 */

const VALUES: Readonly<Record<string, string>> = {
  DIR: '/srv',
  SH: 'zsh',
  EMPTY: '',
  KO: '한국어',
};
const lookup = (name: string): string | undefined => VALUES[name];
const FAILS = Symbol('fails');

type Case = readonly [text: string, expanded: string | typeof FAILS];

/** Around anything, ASCII or not, quotes and variables are the same. */
const AROUND = ['he', '안녕', 'é☃'].flatMap((h): Case[] => [
  [`${h}'llo'`, `${h}llo`],
  [`${h}'llo`, FAILS],
  [`${h}\\'llo`, `${h}'llo`],
  [`${h}\\\\'llo`, FAILS],
  [`${h}\\tx`, `${h}tx`],
  [`"${h}\\tx"`, `${h}\\tx`],
  [`"${h}\\\\tx"`, `${h}\\tx`],
  [`'${h}\\tx'`, `${h}\\tx`],
  [`'${h}\\tx`, FAILS],
  [`${h}\\`, h],
  [`${h}\\\\`, `${h}\\`],
  [`"${h}`, FAILS],
  [`"${h}\\"`, FAILS],
  [`"${h}'x"`, `${h}'x`],
  [`'${h}`, FAILS],
  [`'${h}\\'`, `${h}\\`],
  [`'${h}\\\\x'`, `${h}\\\\x`],
  [`${h}$1x`, `${h}x`],
  [`${h}$.x`, `${h}$.x`],
  [`${h}$dir.`, `${h}.`],
  [`${h}$DIR`, `${h}/srv`],
  [`${h}\\$DIR`, `${h}$DIR`],
  [`${h}\\\\$DIR`, `${h}\\/srv`],
  [`"${h}\\$DIR"`, `${h}$DIR`],
  [`"${h}\\\\$DIR"`, `${h}\\/srv`],
  [`'${h}\\$DIR'`, `${h}\\$DIR`],
  [`'${h}\${NO}'`, `${h}\${NO}`],
  [`"${h}'$DIR'"`, `${h}'/srv'`],
  [`${h}\\\${}x`, `${h}\${}x`],
  [`${h}\${}`, FAILS],
  [`${h}\${}x`, FAILS],
  [`${h}\${.}`, FAILS],
  [`${h}\${NO}x`, `${h}x`],
  [`${h}\${DIR}`, `${h}/srv`],
  [`${h}\${DIR`, FAILS],
  [`${h}\${NO:-00}x`, `${h}00x`],
  [`${h}\${DIR:-00}x`, `${h}/srvx`],
  [`${h}\${NO:-$DIR}x`, `${h}/srvx`],
  [`${h}\${NO:-\${DIR:-y}}x`, `${h}/srvx`],
  [`${h}\${NO:-\${NO2:-y}}x`, `${h}yx`],
  [`${h}\${NO:YES}`, FAILS],
  [`${h}\${NO:+\${DIR}}x`, `${h}x`],
  [`${h}\${DIR:+\${NO}}x`, `${h}x`],
  [`${h}\${DIR:+\${SH}}x`, `${h}zshx`],
  [`${h}\${NO:+00}x`, `${h}x`],
  [`${h}\${DIR:+00}x`, `${h}00x`],
  [`${h}\${DIR:=00}x`, FAILS],
  [`${h}\${DIR:+\${DIR}:}x`, `${h}/srv:x`],
  [`${h}\${NO:-\\$DIR:}x`, `${h}$DIR:x`],
  [`${h}\${NO:-\\\${DIR}z}x`, `${h}\${DIRz}x`],
  [`${h}\${NO?}`, FAILS],
  [`${h}\${NO:?}`, FAILS],
  [`${h}\${DIR?}`, `${h}/srv`],
  [`${h}\${DIR:?}`, `${h}/srv`],
  [`${h}\${EMPTY?}`, h],
  [`${h}\${EMPTY:?}`, FAILS],
  [`${h}$KO`, `${h}한국어`],
]);

/** Braces that do not match, and names that are none. */
const BRACES: readonly Case[] = [
  ['${{a}', FAILS],
  ['${a}}', '}'],
  ['${a', FAILS],
  ['${{a:-b}', FAILS],
  ['${a:-b}}', 'b}'],
  ['${a:-b', FAILS],
  ['${a:-b ${c}', FAILS],
  ['${a:-b {c}', 'b {c'],
  ['${:}', FAILS],
  ['${:-b}', FAILS],
  ['${:+b}', FAILS],
  ['${-b}', FAILS],
  ['${DIR=a}', FAILS],
  ['${DIR=:a}', FAILS],
  ['${NO=}', FAILS],
  ['${NO:#}', FAILS],
  ['${NO:##}', FAILS],
  ['${NO:%}', FAILS],
  ['${NO:%%}', FAILS],
  ['\\${}', '${}'],
  ['\\${}a', '${}a'],
];

/** Positional and special parameters are known, and never set. */
const NEVER_SET = [
  ...['1', '2', '3', '4', '5', '6', '7', '8', '9', '999', '001', '0'],
  ...['@', '*', '#', '?', '-', '$', '!'],
].flatMap((name): Case[] => [
  [`$${name}`, ''],
  [`\${${name}}`, ''],
  [`\${${name}:+b}`, ''],
  [`\${${name}:-b}`, 'b'],
  [`$${name}.a`, '.a'],
  [`\${${name}}aaa`, 'aaa'],
  [`\${${name}:+b}aaa`, 'aaa'],
  [`\${${name}:-b}aaa`, 'baaa'],
]);

for (const [text, wanted] of [...AROUND, ...BRACES, ...NEVER_SET]) {
  test(`expandWord() of ${text}`, () => {
    if (wanted !== FAILS) assert.equal(expandWord(text, lookup), wanted);
    else assert.throws(() => expandWord(text, lookup), UserError);
  });
}

/** Text, values, expansion, and the variables that are looked at but not set. */
type Looked = readonly [
  text: string,
  values: Readonly<Record<string, string>>,
  expanded: string | typeof FAILS,
  unset?: readonly string[],
];

const LOOKED: readonly Looked[] = [
  ['x', { A: 'a' }, 'x'],
  ['x ${B}', { A: 'a' }, 'x ', ['B']],
  ['x ${A}', { A: 'y' }, 'x y'],
  ['${A-a} ${B-b} ${C-c}', { A: 'x', B: '' }, 'x  c', ['C']],
  ['${A:-a} ${B:-b} ${C:-c}', { A: 'x', B: '' }, 'x b c', ['C']],
  ['${A:-}', { A: 'x' }, 'x'],
  ['${A:-}', {}, '', ['A']],
  ['${A+a} ${B+b} ${C+c}', { A: 'x', B: '' }, 'a b ', ['C']],
  ['${A:+a} ${B:+b} ${C:+c}', { A: 'x', B: '' }, 'a  ', ['C']],
  ['${A?a}', { A: 'x' }, 'x'],
  ['${B?b}', { B: '' }, ''],
  ['${C?c}', {}, FAILS, ['C']],
  ['${B:?b}', { B: '' }, FAILS],
  ['${C:?}', {}, FAILS, ['C']],
  // Characters that mean something to regular expressions mean themselves.
  ['${A#()[]{\\}^$.\\*\\?|\\\\}', { A: '()[]{}^$.*?|\\x' }, 'x'],
  ['${A%%\\**}', { A: 'xx**' }, 'xx'],
  ['${A#*x*y}', { A: 'xxyy' }, 'y'],
  ['${A#*}', { A: 'xxyy' }, 'xxyy'],
  ['${A#$B}', { A: 'xxyy', B: 'x' }, 'xyy'],
  ['${A#$B}', { A: 'xxyy', B: '' }, 'xxyy'],
  ['${A#$B}', { A: 'xxyy' }, 'xxyy', ['B']],
  ['${A#}', { A: 'xxyy' }, 'xxyy'],
  ['${A##*x}', { A: 'xxyy' }, 'yy'],
  ['${A##}', { A: 'xxyy' }, 'xxyy'],
  ['${A#?\\?}', { A: '???y' }, '?y'],
  ['${B:-.}${A%x}${B:-.}', { A: 'xxyy' }, '.xxyy.', ['B']],
  ['${A%%\\**\\*}', { A: 'a***yy*' }, 'a'],
  ['${A%}', { A: 'xxyy' }, 'xxyy'],
  ['${A%%$B}', { A: 'xxyy', B: '' }, 'xxyy'],
  ['${A%🚀?}', { A: '👽🚀🖖' }, '👽'],
  ['${A#\\}', { A: 'x' }, FAILS],
  ['${A#\\x}', { A: 'x' }, FAILS],
  ['${A#\\\\\\}', { A: 'x' }, FAILS],
  // A word inside of a pattern has its escapes taken away, the pattern keeps its own.
  ['${A#${B:-\\*}x}', { A: 'yx*xz' }, '*xz', ['B']],
  ['${A#${B:-\\\\*}x}', { A: '*xz' }, 'z', ['B']],
  // Replacement: patterns out of variables, slashes in them, escaped ones.
  ['${A/$B/.} - ${A//$B/.}', { A: '/foo*/*/*.txt', B: '\\*/' }, '/foo.*/*.txt - /foo..*.txt'],
  ['${A/$B/} - ${A//$B/}', { A: '/tmp/tmp/b.txt', B: '/tmp' }, '/tmp/b.txt - /b.txt'],
  ['${A/$B/$C} - ${A//$B/$C}', { A: '/a/f/b/c.t', B: '/?/', C: '/' }, '/f/b/c.t - /f/c.t'],
  ['${A/$B/$C}', { A: 'http://x.y', B: 'http://', C: 'https://' }, 'https://x.y'],
  ['${A//\\//\\/}', { A: '/tmp/f.txt' }, '\\/tmp\\/f.txt'],
  ['${A/$B/ww}', { A: 'xxyy', B: '' }, 'wwxxyy'],
  ['${A//ww}', { A: 'xxyy' }, FAILS],
  ['${A//}', { A: 'xxyy' }, FAILS],
  ['${A///}', { A: 'xxyy' }, 'xxyy'],
  ['${A///}', {}, '', ['A']],
  [
    'tool-${V}.${OS}-${ARCH}${VARIANT:+-${VARIANT}}.tar.gz',
    { V: 'v1', OS: 'linux', ARCH: 'arm', VARIANT: 'v7' },
    'tool-v1.linux-arm-v7.tar.gz',
  ],
  [
    'tool-${V}.${OS}-${ARCH}${VARIANT:+-${VARIANT}}.tar.gz',
    { V: 'v1', OS: 'linux', ARCH: 'arm64', VARIANT: '' },
    'tool-v1.linux-arm64.tar.gz',
  ],
  [
    'tool-${V}.${OS}-${ARCH}${VARIANT:+-${VARIANT}}.tar.gz',
    { V: 'v1', OS: 'linux', ARCH: 'arm64' },
    'tool-v1.linux-arm64.tar.gz',
    ['VARIANT'],
  ],
];

for (const [text, values, wanted, unset = []] of LOOKED) {
  test(`expandWord() of ${text} with ${JSON.stringify(values)}`, () => {
    const missed = new Set<string>();
    const look = (name: string): string | undefined => {
      const value = values[name];
      if (value === undefined) missed.add(name);
      return value;
    };
    if (wanted !== FAILS) assert.equal(expandWord(text, look), wanted);
    else assert.throws(() => expandWord(text, look), UserError);
    assert.deepEqual([...missed].sort(), [...unset].sort());
  });
}

test('the message of a required variable is expanded', () => {
  const look = (name: string): string | undefined => ({ B: '', A: 'x' })[name];
  assert.throws(() => expandWord('${B:?say it$A}', look), /"B" is empty: say itx/);
  assert.throws(() => expandWord('${C?say it$A}', look), /"C" is not set: say itx/);
  assert.throws(() => expandWord('${C:?"say it"}', look), /"C" is not set: say it$/);
});

/** What heredocs are looked for with: quotes and unset variables stay. */
const RAW: readonly (readonly [text: string, words: readonly string[]])[] = [
  ['a "b c" \'d e\'', ['a', '"b c"', "'d e'"]],
  ['$a ${b} ${c:-d} ${e#f} ${g/h/i}', ['$a', '${b}', '${c:-d}', '${e#f}', '${g/h/i}']],
  ['a\\ b << c <<-d', ['a\\ b', '<< c', '<<-d']],
];
for (const [text, words] of RAW) {
  test(`lexWords() keeps what is written in ${text}`, () => {
    const options = { escape: '\\', rawQuotes: true, rawEscapes: true, keepUnset: true } as const;
    assert.deepEqual(lexWords(text, options, lookup), words);
  });
}

test('expandWord() refuses variables that lie in each other without end', () => {
  const nested = (depth: number): string => '${a:-'.repeat(depth) + 'x' + '}'.repeat(depth);
  assert.equal(expandWord(nested(99), lookup), 'x');
  assert.throws(() => expandWord(nested(100_000), lookup), { code: 'TSB_LIMIT' });
});

test('expandWord() refuses a replacement that would take for ever', { timeout: 20_000 }, () => {
  const look = (): string => 'a'.repeat(900_000);
  assert.throws(() => expandWord('${V//*b/}', look), { code: 'TSB_LIMIT' });
});

test('expandWord() shows the part at fault of a long text', () => {
  const text = `${'x'.repeat(1000)}\${A:=b}`;
  assert.throws(() => expandWord(text, lookup), {
    message: 'Cannot expand "${A:=": found ":=" behind "${A"',
  });
});
