import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { tsbuild, type TsbuildResult } from '../src/testing/tsbuild.js';

const BUILDFILE = `# syntax=docker/dockerfile:1
# suite of Debian
ARG suite=bookworm

# tools compiles what is needed
FROM scratch as tools
# LEVEL of compression
ARG LEVEL=5
RUN --mount=type=secret,id=token,required=true --mount=type=ssh make

FROM debian:$suite
COPY --from=tools /x /x
COPY $nothing left.log /y/
CMD x
`;

describe('build --call', () => {
  const dir = mkdtempSync(join(tmpdir(), 'tsbuild-check-'));
  const context = join(dir, 'context');
  // Nothing is pulled: the base image is not known.
  const run = (...args: string[]): Promise<TsbuildResult> =>
    tsbuild(['build', '--pull=never', ...args, context], { root: join(dir, 'store') });

  before(() => {
    mkdirSync(context);
    writeFileSync(join(context, 'Buildfile'), BUILDFILE);
    writeFileSync(join(context, '.dockerignore'), '*.log\n');
    writeFileSync(join(context, 'clean'), 'FROM scratch\nCOPY a /a\n');
    writeFileSync(join(context, 'broken'), 'FROM scratch\n\nCOPY --form=a b c\n');
  });
  after(() => {
    rmSync(dir, { recursive: true, force: true });
  });

  test('--check shows what the checks find, and exits with 1', async () => {
    const { stdout, stderr, exitCode } = await run('--check');
    const file = join(context, 'Buildfile');
    assert.equal(
      stdout,
      `warning: FromAsCasing: "as" is not written in the case of "FROM"
${file}:6:14
  4 |
  5 |     # tools compiles what is needed
  6 | >>> FROM scratch as tools
    |                  ^^
  7 |     # LEVEL of compression
  8 |     ARG LEVEL=5
hint: Write AS

warning: CopyIgnoredFile: COPY "left.log" is left out of the context
${file}:13:15
  11 |     FROM debian:$suite
  12 |     COPY --from=tools /x /x
  13 | >>> COPY $nothing left.log /y/
     |                   ^^^^^^^^
  14 |     CMD x
hint: Remove its line from the ignore file, or the file from the instruction

warning: JSONArgsRecommended: CMD runs in a shell, which keeps signals from the program
${file}:14
  12 |     COPY --from=tools /x /x
  13 |     COPY $nothing left.log /y/
  14 | >>> CMD x
hint: Write CMD ["PROGRAM", "ARGUMENT"], or a SHELL above to say that it is meant

Checked ${file}: 3 warnings
`,
    );
    assert.equal(
      stderr,
      'note: the base image "debian:$suite" cannot be had: what it sets is not checked\n',
    );
    assert.equal(exitCode, 1);
  });

  test('--check shows what the parser warns of, as a build does', async () => {
    const file = join(context, 'array');
    writeFileSync(file, 'FROM scratch\nENTRYPOINT ["a" "b"]\n');
    const text = await run('--check', '-f', file);
    assert.match(
      text.stdout,
      /^warning: ENTRYPOINT looks like a JSON array and is not one[^]*: 1 warning\n$/,
    );
    assert.equal(text.exitCode, 1);
    const json = await run('--call=check,format=json', '-f', file);
    const { warnings } = JSON.parse(json.stdout) as { warnings: Record<string, unknown>[] };
    assert.deepEqual(
      warnings.map(({ ruleName, location }) => [ruleName, location]),
      [['', { ranges: [{ start: { line: 2 }, end: { line: 2 } }] }]],
    );
  });

  test('--check exits with 0 where there is nothing to say', async () => {
    const { stdout, exitCode } = await run('--check', '-f', join(context, 'clean'));
    assert.equal(stdout, `Checked ${join(context, 'clean')}: no warning\n`);
    assert.equal(exitCode, 0);
  });

  test('--target checks the stages that it needs', async () => {
    const { stdout } = await run('--call', 'check', '--target', 'tools');
    assert.match(stdout, /FromAsCasing[^]*: 1 warning\n$/);
  });

  test('--call check,format=json has the keys of BuildKit', async () => {
    const { stdout, exitCode } = await run('--call', 'check,format=json');
    const result = JSON.parse(stdout) as {
      warnings: { ruleName: string; location: unknown }[];
      sources: { filename: string; data: string }[];
    };
    assert.deepEqual(
      result.warnings.map(({ ruleName }) => ruleName),
      ['FromAsCasing', 'CopyIgnoredFile', 'JSONArgsRecommended'],
    );
    assert.deepEqual(result.warnings[0]?.location, {
      ranges: [{ start: { line: 6, character: 13 }, end: { line: 6, character: 15 } }],
    });
    assert.deepEqual(result.warnings[2]?.location, {
      ranges: [{ start: { line: 14 }, end: { line: 14 } }],
    });
    const [source] = result.sources;
    assert.equal(Buffer.from(source?.data ?? '', 'base64').toString(), BUILDFILE);
    assert.equal(exitCode, 1);
  });

  test('a file that cannot be parsed is an error, in JSON as well', async () => {
    const broken = join(context, 'broken');
    const text = await run('--check', '-f', broken);
    assert.match(text.stderr, /unknown flag --form[^]*broken:3:6\n[^]*hint: Did you mean --from\?/);
    assert.deepEqual([text.stdout, text.exitCode], ['', 1]);
    const json = await run('--call=check,format=json', '-f', broken);
    const { warnings, buildError } = JSON.parse(json.stdout) as Record<string, unknown>;
    assert.deepEqual(warnings, []);
    assert.deepEqual(buildError, {
      message: 'Cannot parse COPY: found the unknown flag --form',
      location: { ranges: [{ start: { line: 3, character: 5 }, end: { line: 3, character: 11 } }] },
    });
    assert.equal(json.exitCode, 1);
  });

  test('what a later step would refuse is said with the warnings', async () => {
    const late = join(context, 'late');
    writeFileSync(late, 'FROM scratch as x\nRUN true\nCOPY --chmod=999 a /b\n');
    const text = await run('--check', '-f', late);
    assert.match(text.stdout, /^warning: FromAsCasing: /);
    assert.match(text.stderr, /^error: Cannot use --chmod="999"[^]*late:3:6\n/);
    assert.equal(text.exitCode, 1);
    const json = await run('--call=check,format=json', '-f', late);
    const { warnings, buildError } = JSON.parse(json.stdout) as Record<string, unknown>;
    assert.equal((warnings as unknown[]).length, 1);
    assert.ok(buildError);
  });

  test('--call outline tells what a target takes', async () => {
    const { stdout, exitCode } = await run('--call=outline', '--build-arg', 'LEVEL=9');
    assert.equal(
      stdout,
      `BUILD ARG  VALUE     DESCRIPTION
suite      bookworm  of Debian
LEVEL      9         of compression

SECRET  REQUIRED
token   true

SSH      REQUIRED
default
`,
    );
    assert.equal(exitCode, 0);
    const json = await run('--call=outline,format=json', '--target', 'tools');
    const outline = JSON.parse(json.stdout) as Record<string, unknown>;
    assert.deepEqual(outline['name'], 'tools');
    assert.deepEqual(outline['description'], 'compiles what is needed');
    assert.deepEqual(outline['secrets'], [
      {
        name: 'token',
        required: true,
        location: { ranges: [{ start: { line: 9 }, end: { line: 9 } }] },
      },
    ]);
  });

  test('--call targets lists the stages', async () => {
    const { stdout, exitCode } = await run('--call', 'targets');
    assert.equal(stdout, 'TARGET     DESCRIPTION\ntools      compiles what is needed\n(default)\n');
    assert.equal(exitCode, 0);
  });

  test('what --call does not know is refused', async () => {
    for (const [call, hint] of [
      ['outlin', 'did you mean outline?'],
      ['check,format=jso', 'did you mean json?'],
      ['check,formt=json', 'did you mean format=json?'],
    ] as const) {
      const { stderr, exitCode } = await run('--call', call);
      assert.ok(stderr.includes(hint), stderr);
      assert.equal(exitCode, 2);
    }
    assert.equal((await run('--call', 'check', '--check')).exitCode, 2);
  });
});
