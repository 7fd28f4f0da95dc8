import assert from 'node:assert/strict';
import test from 'node:test';
import { InternalError } from '../src/util/assert.js';
import { UserError } from '../src/util/errors.js';
import { exitCodeOf, formatError } from './print-error.js';
import { InterruptedError } from './signals.js';

const BUILDFILE = 'FROM debian\n\nRUN make \\\n  all\nCMD sh\nUSER me\nUSER you\n';
const read = (file: string): string | undefined => (file === 'Buildfile' ? BUILDFILE : undefined);
const source = { file: 'Buildfile', startLine: 3, endLine: 4 };

/** What `using` throws when the disposal fails after the body has. */
function suppressedBy(disposal: Error, suppressed: Error): Error {
  const error = new Error('An error was suppressed during disposal.');
  return Object.assign(error, { name: 'SuppressedError', error: disposal, suppressed });
}

test('formatError() shows the lines at fault, marked, with their neighbours', () => {
  const error = new UserError('TSB_RUN_FAILED', 'Cannot run "make all": exit code 2', {
    source,
    hint: 'look at line 3',
  });
  assert.deepEqual(formatError(error, { isVerbose: false, read }), [
    'error: Cannot run "make all": exit code 2',
    'Buildfile:3',
    '  1 |     FROM debian',
    '  2 |',
    '  3 | >>> RUN make \\',
    '  4 | >>>   all',
    '  5 |     CMD sh',
    '  6 |     USER me',
    'hint: look at line 3',
  ]);
});

test('formatError() marks the characters that are meant', () => {
  const at = { line: 4, column: 3, length: 3 };
  const error = new UserError('TSB_PARSE', 'Cannot parse', { source: { ...source, at } });
  assert.deepEqual(formatError(error, { isVerbose: false, read }).slice(1, 6), [
    'Buildfile:4:3',
    '  1 |     FROM debian',
    '  2 |',
    '  3 | >>> RUN make \\',
    '  4 | >>>   all',
  ]);
  const [, , , , , , marks] = formatError(error, { isVerbose: false, read });
  assert.equal(marks, '    |       ^^^');
});

test('formatError() shows both ends of a long range', () => {
  const text = Array.from({ length: 100 }, (_, index) => `line ${index + 1}\n`).join('');
  const long = { file: 'f', startLine: 11, endLine: 90, at: { line: 50, column: 1, length: 4 } };
  const error = new UserError('TSB_PARSE', 'Cannot parse', { source: long });
  const lines = formatError(error, { isVerbose: false, read: () => text });
  assert.equal(lines.length, 2 + 10 + 1 + 6 + 1 + 10);
  assert.ok(lines.includes('  50 | >>> line 50') && lines.includes('     |     ^^^^'));
});

test('formatError() does without a file that is gone', () => {
  const error = new UserError('TSB_PARSE', 'Cannot parse "FRM"', {
    source: { ...source, file: 'gone' },
  });
  assert.deepEqual(formatError(error, { isVerbose: false, read }), [
    'error: Cannot parse "FRM"',
    'gone:3',
  ]);
});

test('formatError() tells causes and the code when it is verbose', () => {
  const cause = new Error('open store', { cause: new Error('parse index') });
  const error = new UserError('TSB_STORE', 'Cannot open store', { cause });
  assert.deepEqual(formatError(error, { isVerbose: true }), [
    'error: Cannot open store',
    'caused by: open store',
    'caused by: parse index',
    'code: TSB_STORE',
  ]);
});

test('formatError() takes the suppressed error for the real one', () => {
  const real = new UserError('TSB_NO_SPACE', 'Cannot write "layer": disk is full');
  const error = suppressedBy(new Error('umount'), suppressedBy(new Error('close'), real));
  assert.deepEqual(formatError(error, { isVerbose: false }), [
    'error: Cannot write "layer": disk is full',
  ]);
  assert.equal(exitCodeOf(error), 1);
});

test('formatError() shows the stack of a bug', () => {
  const lines = formatError(new InternalError('nlookup is negative'), { isVerbose: false });
  assert.equal(lines[0], 'error: nlookup is negative');
  assert.match(lines[1] ?? '', /print-error\.test/);
  assert.match(lines[2] ?? '', /bug in tsbuild/);
});

const failedRun = (exitCode: number): UserError =>
  new UserError('TSB_RUN_FAILED', 'x', { cause: Object.assign(new Error('x'), { exitCode }) });
const systemError = Object.assign(new Error('EACCES: open'), { code: 'EACCES', syscall: 'open' });
const CODES: [name: string, error: unknown, want: number][] = [
  ['a wrong command line', new UserError('TSB_USAGE', 'x'), 2],
  ['a failure', new UserError('TSB_NETWORK', 'x'), 1],
  ['a RUN that exited with 42', failedRun(42), 42],
  ['a RUN without a status', new UserError('TSB_RUN_FAILED', 'x'), 1],
  ['a system error', systemError, 1],
  ['a broken invariant', new InternalError('x'), 70],
  ['a TypeError', new TypeError('x'), 70],
  ['SIGINT', new InterruptedError('SIGINT'), 130],
  ['SIGTERM', new InterruptedError('SIGTERM'), 143],
];
for (const [name, error, want] of CODES) {
  test(`exitCodeOf() of ${name} is ${want}`, () => {
    assert.equal(exitCodeOf(error), want);
  });
}

test('formatError() shows control characters that a message or a Buildfile quotes', () => {
  const error = new UserError('TSB_PARSE', 'Cannot use "\x1b]0;title\x07"', {
    source: { file: 'Buildfile', startLine: 1, endLine: 1 },
    hint: 'remove \u009b31m and \u202e',
  });
  const hostile = (): string => 'RUN \x1b[2J\tx\n';
  assert.deepEqual(formatError(error, { isVerbose: false, read: hostile }), [
    'error: Cannot use "\\u001b]0;title\\u0007"',
    'Buildfile:1',
    '  1 | >>> RUN \\u001b[2J\tx',
    'hint: remove \\u009b31m and \\u202e',
  ]);
});
