import assert from 'node:assert/strict';
import test from 'node:test';
import { UserError } from '../util/errors.js';
import { parseBuildfile, parseBuildfileSyntax } from './buildfile.js';
import { expandInstruction } from './expand.js';
import { heredocText, heredocWords, parseHeredocWord } from './heredoc.js';
import { parseJsonForm, splitLine, splitWords } from './parser.js';
import { isSpace, trimSpace } from './space.js';

/** The first lines of a file, and what its directives are. */
const DIRECTIVES: readonly (readonly [text: string, directives: object])[] = [
  ['#escape=\\\n# key = A b\n\n# c', { escape: '\\' }],
  ['# EScape=`\n# KEY = A b', { escape: '`' }],
  [
    '# syntax = docker/dockerfile:1 // opts',
    { escape: '\\', syntax: 'docker/dockerfile:1 // opts' },
  ],
  ['\uFEFF# syntax=dockerfile.v0', { escape: '\\', syntax: 'dockerfile.v0' }],
  ['#!/bin/sh\n# syntax=dockerfile.v0', { escape: '\\', syntax: 'dockerfile.v0' }],
  ['#!/bin/sh\n\n# syntax=dockerfile.v0', { escape: '\\' }],
  ['#!/bin/sh\n# escape=`\n#check=skip=all', { escape: '\\', check: 'skip=all', checkLine: 3 }],
  ['#check = skip=all // x\r\n', { escape: '\\', check: 'skip=all // x', checkLine: 1 }],
  ['  \t# check\t=\tskip=all  ', { escape: '\\', check: 'skip=all', checkLine: 1 }],
  ['# check=', { escape: '\\' }],
  ['# =x\n# escape=`', { escape: '\\' }],
  ['\n# escape=`', { escape: '\\' }],
  ['# escape=`\n# other\n# check=skip=all', { escape: '`' }],
];
for (const [text, directives] of DIRECTIVES) {
  test(`the directives of ${JSON.stringify(text)}`, () => {
    assert.deepEqual(parseBuildfileSyntax(`${text}\nFROM a`, 'f').directives, directives);
  });
}

/** Files in another language: BuildKit would run its frontend. */
const OTHERS: readonly (readonly [text: string, language: string, line: number])[] = [
  ['//syntax=acme/lang\n//key=value\nstage x', 'acme/lang', 1],
  ['// syntax = acme/lang:1 x\n', 'acme/lang:1 x', 1],
  ['//check=skip=all\n//syntax=acme/lang\n', 'acme/lang', 2],
  ['#!/bin/sh\n//syntax=x', 'x', 2],
  ['{"syntax": "acme/lang", "bar": ["abc"]}', 'acme/lang', 1],
  ['\uFEFF{\n  "syntax": "acme/lang"\n}\n', 'acme/lang', 1],
];
for (const [text, language, line] of OTHERS) {
  test(`parseBuildfile() refuses the language of ${JSON.stringify(text)}`, () => {
    assert.throws(
      () => parseBuildfile(text, 'f'),
      (error) => {
        assert.ok(error instanceof UserError);
        assert.equal(error.code, 'TSB_UNSUPPORTED');
        assert.equal(
          error.message,
          `Cannot read "f": found the language "${language}", want Dockerfile's`,
        );
        assert.equal(error.source?.startLine, line);
        return true;
      },
    );
  });
}
for (const text of [
  '{"syntax": "x"',
  '{"syntax": "x"}\n# syntax=y',
  '{"syntax": 1}',
  '// x\n//syntax=y',
]) {
  test(`parseBuildfile() takes ${JSON.stringify(text)} for a Dockerfile`, () => {
    assert.throws(() => parseBuildfile(text, 'f'), { code: 'TSB_PARSE' });
  });
}

const JSON_FORMS: readonly (readonly [text: string, argv: readonly string[] | undefined])[] = [
  ['[]', []],
  ['[""]', ['']],
  ['["a"]', ['a']],
  ['[ "a", "b" ]', ['a', 'b']],
  ['\t[\t"a"\t,\t"b"\t]\t', ['a', 'b']],
  [
    '["a 1", "♥", "\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u0000"]',
    ['a 1', '♥', '" \\ / \b \f \n \r \t \0'],
  ],
  ["['a']", undefined],
  ['["a"', undefined],
  ['["a', undefined],
  ['["a"] b', undefined],
  ['"[]"', undefined],
  ['', undefined],
];
for (const [text, argv] of JSON_FORMS) {
  test(`parseJsonForm() of ${JSON.stringify(text)}`, () => {
    assert.deepEqual(parseJsonForm(text), argv);
  });
}
for (const item of ['42', '123.456', '{}', '{"c": "d"}', '["c"]', 'true', 'false', 'null']) {
  test(`parseJsonForm() refuses an array with ${item}`, () => {
    assert.throws(() => parseJsonForm(`["a",${item},"b"]`), { code: 'TSB_PARSE' });
  });
}
test('parseJsonForm() refuses an array that is nested without end', () => {
  assert.throws(() => parseJsonForm('['.repeat(50_000) + ']'.repeat(50_000)), {
    code: 'TSB_PARSE',
  });
});

for (const word of [
  '<<E',
  "<<'E'",
  '<<"E"',
  '<<-E',
  "<<-'E'",
  '<<-"E"',
  '<<"E"',
  '<< E',
  '<<- E',
  '5<<E',
]) {
  test(`parseHeredocWord() of ${word}`, () => {
    const { name, fd, stripTabs, expand } = parseHeredocWord(word) ?? {};
    const want = ['E', word.startsWith('5') ? 5 : 0, word.includes('-'), !/["']/.test(word)];
    assert.deepEqual([name, fd, stripTabs, expand], want);
  });
}
for (const word of [
  '',
  'E',
  '<<',
  '<<-',
  '<E',
  '<<<E',
  '<<E sh',
  "<<'E",
  '<<"E',
  "<<E'",
  '<<E"',
  'x<<E',
]) {
  test(`parseHeredocWord() takes ${JSON.stringify(word)} for none`, () => {
    assert.equal(parseHeredocWord(word), undefined);
  });
}

const ANNOUNCED: readonly (readonly [line: string, names: readonly string[]])[] = [
  ['RUN <<E', ['E']],
  ['RUN <<-E', ['E']],
  // The blank ends the word, in BuildKit as well.
  ['RUN <<- E', []],
  ['RUN << -E', ['-E']],
  ["RUN <<'E'", ['E']],
  ['RUN 4<<E', ['E']],
  ['RUN <<E <<E2', ['E', 'E2']],
  ["RUN '<<E'", []],
  ['RUN "<<E"', []],
  ['RUN cat<<E', []],
  ['RUN a=$((1<<2)) b=$(( 1 << 2 ))', ['2']],
];
for (const [line, names] of ANNOUNCED) {
  test(`heredocWords() of ${line}`, () => {
    assert.deepEqual(
      heredocWords(line).map(({ name }) => name),
      names,
    );
  });
}

test('heredocText() drops the tabs of <<- only', () => {
  const heredoc = { name: 'E', fd: 0, expand: true, content: '\t\ta\n \tb\n\n\tc\n' };
  assert.equal(heredocText({ ...heredoc, stripTabs: true }), 'a\n \tb\n\nc\n');
  assert.equal(heredocText({ ...heredoc, stripTabs: false }), heredoc.content);
});

const WORDS: readonly (readonly [text: string, words: readonly string[]])[] = [
  ['a', ['a']],
  ['a b', ['a', 'b']],
  ['a\\ b', ['a\\ b']],
  ['a=b', ['a=b']],
  ["a b 'c d'", ['a', 'b', "'c d'"]],
  ['a b "c d"', ['a', 'b', '"c d"']],
  ['àé ü "â ÿ"', ['àé', 'ü', '"â ÿ"']],
  ['a="b \\" c" \'\\\' d', ['a="b \\" c"', "'\\'", 'd']],
  ['a\u00a0b\u0085c\ufeffd', ['a', 'b', 'c\ufeffd']],
  ['a\\', ['a']],
];
for (const [text, words] of WORDS) {
  test(`splitWords() of ${JSON.stringify(text)}`, () => {
    assert.deepEqual(splitWords(text, '\\'), words);
  });
}

const FLAGS: readonly (readonly [line: string, flags: readonly string[], rest: string])[] = [
  ['X --a --b=c d', ['--a', '--b=c'], 'd'],
  ['X -- --a', [], '--a'],
  ['X --a', ['--a'], ''],
  ['X --', [], ''],
  ['X --a="b c" --d=\'e f\' g', ['--a=b c', '--d=e f'], 'g'],
  ['X --a=b\\ c d', ['--a=b c'], 'd'],
  ['X --a="b\\"c" d', ['--a=b"c'], 'd'],
  ["X --a='b\\'c' d", ["--a=b'c"], 'd'],
  ['X --a=b\\', ['--a=b'], ''],
  ['X --a="b c', ['--a=b c'], ''],
  ['X -a --b', [], '-a --b'],
  ['X\t--a=ü\u2003b ', ['--a=ü'], 'b'],
];
for (const [line, flags, rest] of FLAGS) {
  test(`splitLine() of ${JSON.stringify(line)}`, () => {
    assert.deepEqual(splitLine(line, '\\'), { keyword: 'X', flags, rest });
  });
}

test('white space is what Go takes for it', () => {
  assert.ok(Array.from('\t\n\v\f\r \u0085\u00a0\u2028\u3000').every(isSpace));
  assert.ok(!Array.from('\ufeff\u200b\u180ea').some(isSpace));
  assert.equal(trimSpace('\u0085 \ufeffa b\u3000\n'), '\ufeffa b');
});

test('long lines take linear time', { timeout: 10_000 }, () => {
  const blanks = ' '.repeat(300_000);
  const returns = '\r'.repeat(300_000);
  const lines = [
    `RUN a${blanks}b`,
    `# escape${blanks}=${blanks}x`,
    `RUN ${returns}b`,
    `RUN a \\${blanks}`,
    'b',
    `HEALTHCHECK --interval=${'1'.repeat(300_000)} CMD x`,
  ];
  assert.throws(() => parseBuildfile(`FROM a\n${lines.join('\n')}\n`, 'f'), { code: 'TSB_PARSE' });
});

/** Text, and where its error points: line, column, characters. */
const POINTS: readonly (readonly [text: string, point: string | undefined])[] = [
  ['FROM a\nRUM b', '2:1 RUM'],
  ['FROM a\n  RUM b', '2:3 RUM'],
  ['FROM a\nRUN --netwrok=none b', '2:5 --netwrok'],
  ['FROM a\nRUN \\\n  --network=none \\\n\t--netwrok=none b', '4:2 --netwrok'],
  ['FROM a\nRUN --network=lan b', '2:5 --network=lan'],
  ['FROM a\nCOPY --chown=a --chown=b c d', '2:16 --chown'],
  ['FROM a\nCOPY --link=yes c d', '2:6 --link=yes'],
  ['FROM a\nCOPY --from=7 b c', '2:6 --from=7'],
  ['FROM a\nCOPY x <<E\nE', '2:8 <<E'],
  ['FROM a\nRUN cat <<E\nb', '2:11 E'],
  ['FROM a\nONBUILD \\\n FROM b', '3:2 FROM'],
  ['FROM a\nONBUILD RUN --x b', '2:13 --x'],
  ['FROM a\nENV a=b \\\n  c d=e', '3:3 c'],
  ['FROM a b', '1:8 b'],
  ['FROM a AS 1b', '1:11 1b'],
  ['FROM a\nCMD ["a", null]', '2:11 null'],
  ['FROM a\nHEALTHCHECK --interval=5 CMD x', '2:24 5'],
  ['FROM a\nHEALTHCHECK RUN x', '2:13 RUN'],
  ['FROM a\nWORKDIR', undefined],
];
for (const [text, point] of POINTS) {
  test(`the error of ${JSON.stringify(text)} points at ${point ?? 'the line'}`, () => {
    assert.throws(
      () => parseBuildfile(text, 'f'),
      (error) => error instanceof UserError && (assert.equal(shown(text, error), point), true),
    );
  });
}

const EXPANDED_POINTS: readonly (readonly [line: string, point: string])[] = [
  ['ENV a=x${b', '2:8 ${b'],
  ['ENV a=1 \\\n  b=${c:?say}', '3:5 ${c:?say}'],
  ['COPY a ${b:=c}', '2:8 ${b:='],
  ['LABEL a="$b', '2:9 "$b'],
  ['EXPOSE 80 99999', '2:11 99999'],
  ['USER ${v#\\x}', '2:6 ${v#\\x}'],
];
for (const [line, point] of EXPANDED_POINTS) {
  test(`the error of expanding ${JSON.stringify(line)} points at ${point}`, () => {
    const text = `FROM a\n${line}`;
    const [instruction] = parseBuildfile(text, 'f').stages[0]?.instructions ?? [];
    assert.ok(instruction);
    assert.throws(
      () => expandInstruction(instruction, () => undefined, '\\'),
      (error) => error instanceof UserError && (assert.equal(shown(text, error), point), true),
    );
  });
}

/** `line:column characters` of an error's position. */
function shown(text: string, { source }: UserError): string | undefined {
  if (source?.at === undefined) return undefined;
  const { line, column, length } = source.at;
  const characters = text.split('\n')[line - 1]?.slice(column - 1, column - 1 + length) ?? '';
  return `${line}:${column} ${characters}`;
}

test('of several stages with one name FROM means the one before, --from the last of the file', () => {
  const text = 'FROM a AS x\nFROM b AS x\nFROM x\nCOPY --from=x c d';
  assert.equal(parseBuildfile(text, 'f').stages.length, 3);
  assert.throws(() => parseBuildfile(`${text}\nFROM e AS x`, 'f'), {
    message: 'Cannot copy from stage "x": it begins at line 5, want an earlier stage',
  });
});
