import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { assertGolden } from '../testing/golden.js';
import { UserError } from '../util/errors.js';
import { findStage, parseBuildfile, parseBuildfileSyntax } from './buildfile.js';
import { parseTrigger } from './instructions.js';

const FIXTURES = join(import.meta.dirname, '../../../fixtures/dockerfile');
const CASES = readdirSync(FIXTURES).sort();

for (const name of CASES) {
  test(`parseBuildfileSyntax() of fixtures/dockerfile/${name}`, () => {
    const text = readFileSync(join(FIXTURES, name, 'Buildfile'), 'utf8');
    const ast = JSON.stringify(parseBuildfileSyntax(text, 'Buildfile'), null, 2);
    assertGolden(join(FIXTURES, name, 'ast.json'), `${ast}\n`);
  });
}

test('every beginning of every fixture is parsed or refused with a position', () => {
  for (const name of CASES) {
    const text = readFileSync(join(FIXTURES, name, 'Buildfile'), 'utf8');
    // Of a long file not every one: they are parsed from the start each time.
    const step = text.length > 400 ? 7 : 1;
    for (let length = 0; length < text.length; length += step) {
      try {
        parseBuildfileSyntax(text.slice(0, length), 'Buildfile');
      } catch (error) {
        assert.ok(error instanceof UserError, `${name}, ${length} characters: ${String(error)}`);
        assert.ok(error.source && error.hint, `${name}, ${length} characters: ${error.message}`);
      }
    }
  }
});

/** Text → message and line. */
const REFUSED: readonly (readonly [text: string, message: string, line: number])[] = [
  ['', 'Cannot parse "Buildfile": found no FROM, want one', 1],
  ['# only a comment\n', 'Cannot parse "Buildfile": found no FROM, want one', 1],
  ['ARG a\n', 'Cannot parse "Buildfile": found no FROM, want one', 1],
  ['RUN a\nFROM b', 'Cannot parse RUN: found it before the first FROM', 1],
  ['FROM', 'Cannot parse FROM: found no argument, want at least one', 1],
  ['FROM a b', 'Cannot parse FROM: found 2 arguments, want IMAGE or IMAGE AS NAME', 1],
  ['FROM a IS b', 'Cannot parse FROM: found 3 arguments, want IMAGE or IMAGE AS NAME', 1],
  [
    'FROM a AS 1b',
    'Cannot parse FROM: found the stage name "1b", want letters, digits, - _ . after a first letter',
    1,
  ],
  [
    'FROM a\n\nRUM b',
    'Cannot parse "RUM": found an unknown instruction, want one like RUN or COPY',
    3,
  ],
  ['FROM a\nCOPY x', 'Cannot parse COPY: found one argument, want sources and a destination', 2],
  ['FROM a\nADD', 'Cannot parse ADD: found no argument, want sources and a destination', 2],
  [
    'FROM a\nCOPY ["x"]',
    'Cannot parse COPY: found one argument, want sources and a destination',
    2,
  ],
  [
    'FROM a\nCOPY x <<E\nE',
    'Cannot parse COPY: found a heredoc as the destination, want a path',
    2,
  ],
  [
    'FROM a\nCOPY << E /x\nE',
    'Cannot parse COPY: found heredoc "E" elsewhere than among the sources',
    2,
  ],
  [
    'FROM a\nRUN <<E\nb\n E',
    'Cannot read heredoc "E": found the end of the file, want a line "E"',
    2,
  ],
  ['FROM a\nRUN', 'Cannot parse RUN: found no argument, want at least one', 2],
  ['FROM a\nRUN []', 'Cannot parse RUN: found an empty array, want a command', 2],
  ['FROM a\nRUN [1]', 'Cannot parse JSON array: found 1 in it, want strings only', 2],
  ['FROM a\nCMD ["a", null]', 'Cannot parse JSON array: found null in it, want strings only', 2],
  ['CMD ["a", [ "b" ] ]', 'Cannot parse JSON array: found an array in it, want strings only', 1],
  ['FROM a\n\nENV PATH', 'Cannot parse ENV: found "PATH", want a name and a value', 3],
  ['FROM a\nRUN --netwrok=none b', 'Cannot parse RUN: found the unknown flag --netwrok', 2],
  ['FROM a\nCMD --x b', 'Cannot parse CMD: found the unknown flag --x', 2],
  [
    'FROM a\nRUN --network=lan b',
    'Cannot parse RUN: found --network=lan, want one of default, none, host',
    2,
  ],
  ['FROM a\nCOPY --from b c', 'Cannot parse COPY: found --from without a value', 2],
  [
    'FROM a\nCOPY --chown=a --chown=b c d',
    'Cannot parse COPY: found --chown twice, want it once',
    2,
  ],
  ['FROM a\nCOPY --link=yes c d', 'Cannot parse COPY: found --link=yes, want true or false', 2],
  [
    'FROM a\nCOPY --from=1 b c',
    'Cannot copy from stage "1": there are 1 stages, from 0, want an earlier stage',
    2,
  ],
  [
    'FROM a\nCOPY --from=0 b c',
    'Cannot copy from stage "0": it begins at line 1, want an earlier stage',
    2,
  ],
  [
    'FROM a\nCOPY --from=z b c\nFROM d AS z',
    'Cannot copy from stage "z": it begins at line 3, want an earlier stage',
    2,
  ],
  [
    'FROM a\nCOPY --from=$x b c',
    'Cannot parse COPY: found a variable in --from=$x, want a stage or an image',
    2,
  ],
  ['FROM a\nENV x', 'Cannot parse ENV: found "x", want a name and a value', 2],
  ['FROM a\nENV =x', 'Cannot parse ENV: found "=x", want a name before =', 2],
  ['FROM a\nENV a=b c', 'Cannot parse ENV: found "c" without =, want NAME=VALUE', 2],
  ['FROM a\nLABEL', 'Cannot parse LABEL: found no argument, want at least one', 2],
  ['FROM a\nARG =x', 'Cannot parse ARG: found "=x", want a name before =', 2],
  ['FROM a\nWORKDIR', 'Cannot parse WORKDIR: found no argument, want at least one', 2],
  ['FROM a\nVOLUME [""]', 'Cannot parse VOLUME: found an empty path, want a directory', 2],
  ['FROM a\nSHELL sh -c', 'Cannot parse SHELL: found text, want a JSON array of strings', 2],
  ['FROM a\nSHELL []', 'Cannot parse SHELL: found an empty array, want a JSON array of strings', 2],
  ['FROM a\nHEALTHCHECK RUN x', 'Cannot parse HEALTHCHECK: found "RUN", want CMD or NONE', 2],
  ['FROM a\nHEALTHCHECK CMD', 'Cannot parse HEALTHCHECK: found no command behind CMD', 2],
  ['FROM a\nHEALTHCHECK NONE x', 'Cannot parse HEALTHCHECK: found arguments or flags with NONE', 2],
  [
    'FROM a\nHEALTHCHECK --interval=5 CMD x',
    'Cannot parse duration "5": want numbers with units ns, us, ms, s, m or h',
    2,
  ],
  [
    'FROM a\nHEALTHCHECK --timeout=1us CMD x',
    'Cannot parse HEALTHCHECK: found --timeout=1us, want 1ms or more',
    2,
  ],
  [
    'FROM a\nHEALTHCHECK --retries=-1 CMD x',
    'Cannot parse HEALTHCHECK: found --retries=-1, want a number',
    2,
  ],
  ['FROM a\nONBUILD', 'Cannot parse ONBUILD: found no argument, want at least one', 2],
  ['FROM a\nONBUILD ONBUILD RUN x', 'Cannot parse ONBUILD: found ONBUILD as its instruction', 2],
  ['FROM a\nONBUILD from b', 'Cannot parse ONBUILD: found FROM as its instruction', 2],
  ['FROM a\nONBUILD MAINTAINER b', 'Cannot parse ONBUILD: found MAINTAINER as its instruction', 2],
  [
    'FROM a\nONBUILD COPY x',
    'Cannot parse COPY: found one argument, want sources and a destination',
    2,
  ],
  ['# escape=x\nFROM a', 'Cannot parse directive "escape": found "x", want \\ or `', 1],
  [
    '# escape=`\n# escape=`\nFROM a',
    'Cannot parse directive "escape": found it a second time, want it once',
    2,
  ],
];

for (const [text, message, line] of REFUSED) {
  test(`parseBuildfile() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(
      () => parseBuildfile(text, 'Buildfile'),
      (error) => {
        assert.ok(error instanceof UserError);
        assert.deepEqual([error.message, error.source?.startLine], [message, line]);
        assert.ok(error.hint);
        return true;
      },
    );
  });
}

const HINTS: readonly (readonly [text: string, hint: string])[] = [
  ['FROM a\nRUM b', 'Did you mean RUN?'],
  ['FROM a\ncopi b c', 'Did you mean COPY?'],
  ['FROM a\nRNU x', 'Did you mean RUN?'],
  ['FROM a\nxyzzy b', 'Put a \\ at the end of the line before, if this continues it'],
  ['FROM a\nONBUILD xyzzy b', 'Write ONBUILD INSTRUCTION, for example ONBUILD RUN make'],
  ['FROM a\nONBUILD RNU b', 'Did you mean RUN?'],
  ['FROM a\nRUN --netwrok=none b', 'Did you mean --network?'],
  ['FROM a\nFROM', 'Write FROM IMAGE [AS NAME]'],
];

for (const [text, hint] of HINTS) {
  test(`the hint for ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseBuildfile(text, 'f'), { hint });
  });
}

const UNSUPPORTED: readonly (readonly [line: string, what: string])[] = [
  ['RUN --device=a y', 'RUN with --device'],
  ['ONBUILD RUN --device=a y', 'ONBUILD with --device'],
];

for (const [line, what] of UNSUPPORTED) {
  test(`parseBuildfile() refuses ${line}`, () => {
    assert.throws(
      () => parseBuildfile(`FROM a\n\n${line}`, 'Buildfile'),
      (error) => {
        assert.ok(error instanceof UserError);
        assert.equal(error.code, 'TSB_UNSUPPORTED');
        assert.equal(error.message, `Cannot build ${what}: tsbuild does not have it`);
        assert.equal(error.source?.startLine, 3);
        assert.ok(error.hint);
        return true;
      },
    );
  });
}

const WARNED: readonly (readonly [text: string, warnings: readonly string[]])[] = [
  ['# syntax=docker/dockerfile:1\nFROM a', []],
  ['# syntax=docker.io/docker/dockerfile:1.4.3@sha256:00\nFROM a', []],
  ['# syntax=docker/dockerfile\nFROM a', []],
  [
    '# syntax=docker/dockerfile:1-labs\nFROM a',
    [
      'The syntax directive names "docker/dockerfile:1-labs", tsbuild implements docker/dockerfile:1.26',
    ],
  ],
  [
    '# syntax=docker/dockerfile:1.99\nFROM a',
    [
      'The syntax directive names "docker/dockerfile:1.99", tsbuild implements docker/dockerfile:1.26',
    ],
  ],
  [
    '# syntax=acme/frontend\nFROM a',
    ['The syntax directive names "acme/frontend", which tsbuild does not run'],
  ],
  [
    'FROM a\nCOPY --exclude=$b --exclude=*.c d e',
    ['--exclude=$b is taken as it is written: variables are not expanded in it'],
  ],
  ["FROM a\nCMD ['b']", ['CMD looks like a JSON array and is not one: the shell will run it']],
  ["FROM a\nRUN ['b', 'c']", ['RUN looks like a JSON array and is not one: the shell will run it']],
  [
    "FROM a\nRUN [ 'b', 'c' ]",
    ['RUN looks like a JSON array and is not one: the shell will run it'],
  ],
  [
    'FROM a\nONBUILD CMD ["b" "c"]',
    ['CMD looks like a JSON array and is not one: the shell will run it'],
  ],
  ['FROM a\nRUN [ "$b" = \'c\' ] && d', []],
];

for (const [text, warnings] of WARNED) {
  test(`parseBuildfile() warns, or not, of ${JSON.stringify(text)}`, () => {
    assert.deepEqual(
      parseBuildfile(text, 'f').warnings.map(({ message }) => message),
      warnings,
    );
  });
}

test('findStage() knows earlier stages by name and index only', () => {
  const { stages } = parseBuildfile('FROM a AS one\nFROM b\nFROM c AS three', 'f');
  assert.equal(findStage(stages, 'ONE', 1)?.index, 0);
  assert.equal(findStage(stages, '1', 2)?.index, 1);
  assert.equal(findStage(stages, '1', 1), undefined);
  assert.equal(findStage(stages, 'three', 2), undefined);
  assert.equal(findStage(stages, 'debian', 2), undefined);
});

test('parseTrigger() reads what ONBUILD keeps in an image', () => {
  const text = 'FROM a\nONBUILD RUN <<E\nfirst\nsecond\nE';
  const [onbuild] = parseBuildfile(text, 'f').stages[0]?.instructions ?? [];
  assert.equal(onbuild?.kind, 'onbuild');
  assert.equal(onbuild.expression, 'RUN <<E\nfirst\nsecond\nE');
  const trigger = parseTrigger(onbuild.expression, 'base:1');
  assert.equal(trigger.kind, 'run');
  assert.deepEqual(trigger.command, { form: 'shell', command: 'first\nsecond\n' });
  assert.equal(trigger.source.file, 'ONBUILD of base:1');
});

for (const expression of ['', 'FROM x', 'ONBUILD RUN x', 'RUN a\nRUN b', 'NOPE x']) {
  test(`parseTrigger() refuses ${JSON.stringify(expression)}`, () => {
    assert.throws(() => parseTrigger(expression, 'base'), UserError);
  });
}
