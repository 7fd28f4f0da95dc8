/**
 * Mutated Buildfiles and ignore files for the parsers: whatever is in a file, each part of
 * tsbuild that reads it must end soon, and fail only with a UserError that has a position.
 */
import { planBuild } from '../build/plan.js';
import type { Buildfile } from '../dockerfile/ast.js';
import { parseBuildfileSyntax } from '../dockerfile/buildfile.js';
import { expandInstruction } from '../dockerfile/expand.js';
import { parseIgnore } from '../dockerfile/ignore.js';
import { lintBuildfile } from '../lint/lint.js';
import { listTargets, outlineOf } from '../lint/outline.js';
import { type SourceRange, UserError } from '../util/errors.js';
import type { Random } from './random.js';

/** No file takes more of a CPU, however it is mutated. The clock would blame a busy machine. */
const PATIENCE_MS = 2000;
/** Characters of a mutated file. */
const TEXT_CHARS_MAX = 20_000;
const MUTATIONS_MAX = 6;
const REPEATS_MAX = 200;

/** What means something in a Buildfile or an ignore file. */
const TOKENS: readonly string[] = [
  ...[
    'FROM',
    'RUN',
    'COPY',
    'ADD',
    'ENV',
    'ARG',
    'ONBUILD',
    'HEALTHCHECK',
    'CMD',
    'SHELL',
    'LABEL',
  ],
  ...[
    'EXPOSE',
    'VOLUME',
    'USER',
    'WORKDIR',
    'STOPSIGNAL',
    'ENTRYPOINT',
    'MAINTAINER',
    ' AS ',
    'NONE',
  ],
  ...['# syntax=', '# escape=`', '# check=', '//syntax=x', '#!', '{"syntax":"x"}', '\uFEFF', '#'],
  ...[
    '\\\n',
    '`\n',
    '\r\n',
    '\n',
    '\n\n',
    '\\',
    '`',
    ' ',
    '\t',
    '\u00a0',
    '\u0085',
    '\0',
    '\u2028',
  ],
  ...['<<E', '<<-E', "<<'E'", '3<<"E"', '\nE\n', '<<', '<<<'],
  ...['${', '}', '$', '${a:-', '${a:+', '${a:?', '${a#', '${a##', '${a%', '${a%%', '${a/', '${a//'],
  ...[
    '"',
    "'",
    '[',
    ']',
    '["',
    '"]',
    '","',
    ',',
    '=',
    ':',
    ';',
    '--',
    '--mount=type=',
    'bind',
    'cache',
  ],
  ...[
    '--from=',
    '--chown=',
    '--chmod=',
    '--link',
    '--parents',
    '--exclude=',
    '--platform=',
    '--network=',
  ],
  ...[
    '--interval=',
    '--retries=',
    '--checksum=',
    'sha256:',
    'secret',
    'ssh',
    ',id=',
    ',target=',
    ',from=',
  ],
  ...[
    'type=',
    'skip=all',
    'error=true',
    'experimental=',
    '1s',
    '1h1m',
    '80/tcp',
    '1-2',
    '[::1]:80:80',
  ],
  ...[
    '*',
    '**',
    '?',
    '!',
    '[a-z]',
    '[^',
    '..',
    '/',
    './',
    '!**',
    '\\*',
    'é',
    '한국',
    '🚀',
    '\ud800',
  ],
  ...['https://', 'git@', '.git#', '0', '999999999999', '-1', '@sha256:', 'scratch', 'context'],
];

/** Paths that ignore files are asked about. */
const PATHS: readonly string[] = [
  '',
  '.',
  'a',
  'a/b',
  'a/b/c.txt',
  '.git',
  'é/한국',
  'x'.repeat(300),
];

/** One file that did what it must not; `text` is the file. */
export interface FuzzFailure {
  readonly kind: 'buildfile' | 'ignore';
  readonly text: string;
  readonly reason: string;
}

/** What a run has seen. */
export interface FuzzReport {
  files: number;
  /** Files that were refused, with a position. */
  refused: number;
  slowestMs: number;
  readonly failures: FuzzFailure[];
}

/** Feeds `count` mutations of `buildfiles` and `ignores`, half of them the latter's if any. */
export function fuzzBuildfiles(
  random: Random,
  { buildfiles, ignores, count }: FuzzInputs,
): FuzzReport {
  const report: FuzzReport = { files: 0, refused: 0, slowestMs: 0, failures: [] };
  for (let file = 0; file < count && report.failures.length < 10; file++) {
    const kind = random.chance(80) ? 'buildfile' : 'ignore';
    const corpus = kind === 'buildfile' ? buildfiles : ignores;
    judge(kind, mutate(random, corpus), report);
  }
  return report;
}

export interface FuzzInputs {
  readonly buildfiles: readonly string[];
  readonly ignores: readonly string[];
  readonly count: number;
}

function judge(kind: FuzzFailure['kind'], text: string, report: FuzzReport): void {
  const start = process.cpuUsage();
  const fail = (reason: string): void => void report.failures.push({ kind, text, reason });
  report.files++;
  try {
    if (kind === 'buildfile') readBuildfile(text, fail);
    else readIgnore(text);
  } catch (error) {
    const reason = misbehaviour(error, text);
    if (reason === undefined) report.refused++;
    else fail(reason);
  }
  const { user, system } = process.cpuUsage(start);
  const tookMs = (user + system) / 1000;
  report.slowestMs = Math.max(report.slowestMs, tookMs);
  if (tookMs > PATIENCE_MS) fail(`took ${Math.round(tookMs)} ms`);
}

/** All that reads a Buildfile before a build's first step. */
function readBuildfile(text: string, fail: (reason: string) => void): void {
  const buildfile = parseBuildfileSyntax(text, 'f');
  const given = { buildArgs: { GIVEN: 'x' }, predefined: { TARGETPLATFORM: 'linux/amd64' } };
  const values: Readonly<Record<string, string>> = { a: 'abc', PATH: '/bin', V: '*/x' };
  const { escape } = buildfile.directives;
  for (const stage of buildfile.stages) {
    for (const instruction of stage.instructions) {
      try {
        expandInstruction(instruction, (name) => values[name], escape);
      } catch (error) {
        const reason = misbehaviour(error, text);
        if (reason !== undefined) fail(`expand: ${reason}`);
      }
    }
  }
  listTargets(buildfile);
  const base = { env: values, hasShell: false };
  const { warnings } = lintBuildfile(buildfile, { ...given, baseOf: () => base });
  for (const { source, rule } of warnings) {
    const reason = misplaced(source, text);
    if (reason !== undefined) fail(`${rule}: ${reason}`);
  }
  outlineOf(buildfile, { ...given, target: undefined });
  plan(buildfile, given);
}

function plan(
  buildfile: Buildfile,
  given: Pick<Parameters<typeof planBuild>[1], 'buildArgs' | 'predefined'>,
): void {
  planBuild(buildfile, { ...given, target: undefined });
}

function readIgnore(text: string): void {
  const matcher = parseIgnore(text, 'f');
  for (const path of PATHS) {
    matcher.ignores(path);
    matcher.mayContainUnignored(path);
    matcher.ignoredBy(path);
  }
}

/** What is wrong with an error; undefined: it is one that a user can act on. */
function misbehaviour(error: unknown, text: string): string | undefined {
  if (!(error instanceof UserError)) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  if (error.source === undefined) return `no position: ${error.message}`;
  return misplaced(error.source, text);
}

function misplaced({ startLine, endLine, at }: SourceRange, text: string): string | undefined {
  const lines = text.split('\n');
  const range = `${startLine}-${endLine} of ${lines.length}`;
  if (startLine < 1 || endLine < startLine || endLine > lines.length) return `lines ${range}`;
  if (at === undefined) return undefined;
  const isInside = at.line >= startLine && at.line <= endLine;
  const line = lines[at.line - 1] ?? '';
  // The byte order mark is no column.
  const length = at.line === 1 ? line.replace(/^\uFEFF/, '').length : line.length;
  if (isInside && at.column >= 1 && at.length >= 1 && at.column - 1 + at.length <= length) {
    return undefined;
  }
  return `${at.line}:${at.column}+${at.length} in ${range}, a line of ${length}`;
}

function mutate(random: Random, corpus: readonly string[]): string {
  let text = random.pick(corpus);
  for (let count = 1 + random.below(MUTATIONS_MAX); count > 0; count--) {
    text = mutateOnce(random, text, corpus).slice(0, TEXT_CHARS_MAX);
  }
  return text;
}

function mutateOnce(random: Random, text: string, corpus: readonly string[]): string {
  const at = random.below(text.length + 1);
  const end = Math.min(text.length, at + random.below(20));
  const [before, between, behind] = [text.slice(0, at), text.slice(at, end), text.slice(end)];
  switch (random.below(8)) {
    case 0:
      return before + behind;
    case 1:
      return before + random.pick(TOKENS) + between + behind;
    case 2:
      return before + random.pick(TOKENS) + behind;
    case 3:
      return before + String.fromCharCode(random.below(256)) + behind;
    case 4: {
      const other = random.pick(corpus);
      return before + other.slice(random.below(other.length + 1));
    }
    case 5:
      return (
        before + (between || random.pick(TOKENS)).repeat(1 + random.below(REPEATS_MAX)) + behind
      );
    case 6:
      return swapLines(random, text);
    default:
      return before;
  }
}

function swapLines(random: Random, text: string): string {
  const lines = text.split('\n');
  const [a, b] = [random.below(lines.length), random.below(lines.length)];
  [lines[a], lines[b]] = [lines[b] ?? '', lines[a] ?? ''];
  return lines.join('\n');
}
