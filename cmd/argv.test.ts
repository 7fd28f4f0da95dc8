import assert from 'node:assert/strict';
import test from 'node:test';
import { EXIT } from '../src/util/error-codes.js';
import { UserError } from '../src/util/errors.js';
import { prepareArgv } from './argv.js';
import { defineCommand } from './command.js';
import { complete } from './complete.js';

const run = (): Promise<number> => Promise.resolve(EXIT.ok);
const COMMANDS = [
  defineCommand({
    name: 'build',
    describe: '',
    positionals: { context: { describe: 'a directory' } },
    options: {
      file: { type: 'string', alias: 'f', describe: '' },
      tag: { type: 'string', alias: 't', array: true, describe: '' },
      'no-cache': { type: 'boolean', describe: '' },
      pull: { type: 'string', bareValue: 'always', describe: '' },
      network: { type: 'string', choices: ['host', 'none'], describe: '' },
    },
    run,
  }),
  defineCommand({
    name: 'run',
    describe: '',
    positionals: { image: { describe: 'an image' } },
    options: { network: { type: 'string', describe: '' } },
    passOnAfter: 1,
    run,
  }),
];

const GOOD: [string, string][] = [
  ['build .', 'build .'],
  ['build . -t a -t b --no-cache', 'build . -t a -t b --no-cache'],
  ['build --pull .', 'build --pull=always .'],
  ['build --pull=never .', 'build --pull=never .'],
  ['build -fBuildfile .', 'build -fBuildfile .'],
  ['build --file -x .', 'build --file -x .'],
  ['--root /x run debian ls -l --root', '--root /x run debian -- ls -l --root'],
  ['run --network none debian -- ls', 'run --network none debian -- ls'],
  ['run debian', 'run debian'],
  ['run debian -c x', 'run debian -- -c x'],
  ['run debian --help', 'run debian -- --help'],
  ['build --help', 'build --help'],
  ['--version', '--version'],
];
for (const [typed, want] of GOOD) {
  test(`prepareArgv() takes '${typed}'`, () => {
    assert.deepEqual(prepareArgv(typed.split(' '), COMMANDS).argv, want.split(' '));
  });
}

const BAD: [string, RegExp, RegExp][] = [
  ['bild .', /command "bild"/, /did you mean build\?/],
  ['build --tga x .', /--tga: tsbuild build has no such flag/, /did you mean --tag\?/],
  ['build -x .', /-x: tsbuild build/, /--help lists/],
  ['--tag x build .', /--tag: tsbuild has no such flag/, /--help/],
  ['build -f a -f b .', /--file twice/, /^$/],
  ['build . --file', /--file: it wants a value/, /^$/],
  ['build', /CONTEXT is missing \(a directory\)/, /tsbuild build --help/],
  ['build --tag .', /CONTEXT is missing/, /the last word is the value of --tag/],
  ['build . --file -t x', /--file: it wants a value, found the flag -t/, /^--file VALUE -t$/],
  ['build a b', /"b" is one word too many/, /tsbuild build --help/],
  ['run', /IMAGE is missing/, /tsbuild run --help/],
];
for (const [typed, message, hint] of BAD) {
  test(`prepareArgv() refuses '${typed}'`, () => {
    assert.throws(
      () => prepareArgv(typed.split(' '), COMMANDS),
      (error) => {
        assert.ok(error instanceof UserError);
        assert.equal(error.code, 'TSB_USAGE');
        assert.match(error.message, message);
        assert.match(error.hint ?? '', hint);
        return true;
      },
    );
  });
}

const COMPLETIONS: [string[], string[]][] = [
  [[''], ['build', 'run']],
  [['b'], ['build']],
  [
    ['build', '--n'],
    ['--no-cache', '--network'],
  ],
  [
    ['build', '--network', ''],
    ['host', 'none'],
  ],
  [['build', ''], []],
  [['run', '--ro'], ['--root']],
];
for (const [words, want] of COMPLETIONS) {
  test(`complete() of '${words.join(' ')}'`, () => {
    assert.deepEqual(complete(words, COMMANDS), want);
  });
}
