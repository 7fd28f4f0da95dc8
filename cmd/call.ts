import { EXIT } from '../src/util/error-codes.js';
import { messageOf, type SourceRange, UserError } from '../src/util/errors.js';
import type { BuildDeps, BuildfileInput } from '../src/build/options.js';
import type { CheckOptions, CheckResult } from '../src/build/check.js';
import { checkBuild, outlineBuild, targetsOf } from '../src/build/check.js';
import type { LintWarning } from '../src/lint/report.js';
import { LINT_RULES } from '../src/lint/rules.js';
import type { Call } from './build-options/call.js';
import { STDIN_NAME } from './buildfile.js';
import type { CommandContext } from './command.js';
import { escapeControls } from './progress/text.js';
import { formatPosition, snippet } from './snippet.js';
import { formatTable } from './table.js';

/** Prints what `--call` asks for to standard output. Returns the exit code. */
export async function runCall(
  { what, format }: Call,
  {
    options,
    deps,
  }: { options: CheckOptions; deps: Pick<BuildDeps, 'store' | 'registry' | 'signal'> },
  context: CommandContext,
): Promise<number> {
  const { buildfile } = options;
  const isJson = format === 'json';
  const print = (lines: readonly string[]): void => {
    for (const line of lines) context.print(escapeControls(line));
  };
  const printJson = (value: object): void => context.print(JSON.stringify(value, null, 2));
  const warn = (line: string): void => context.warn(line);
  switch (what) {
    case 'check':
      return await runCheck({ options, deps, isJson, print, printJson, warn });
    case 'targets': {
      const targets = targetsOf(options);
      if (isJson) printJson({ targets: targets.map(targetJson), sources: [encoded(buildfile)] });
      else print(targetLines(targets));
      return EXIT.ok;
    }
    case 'outline': {
      const outline = outlineBuild(options);
      if (isJson) printJson(outlineJson(outline, buildfile));
      else print(outlineLines(outline));
      return EXIT.ok;
    }
  }
}

/** 1 where there is a warning, as in BuildKit. */
async function runCheck({
  options,
  deps,
  isJson,
  print,
  printJson,
  warn,
}: {
  options: CheckOptions;
  deps: Pick<BuildDeps, 'store' | 'registry' | 'signal'>;
  isJson: boolean;
  print: (lines: readonly string[]) => void;
  printJson: (value: object) => void;
  warn: (line: string) => void;
}): Promise<number> {
  const { buildfile } = options;
  const sources = [
    { filename: buildfile.path ?? STDIN_NAME, language: 'Dockerfile', data: encoded(buildfile) },
  ];
  const { warnings, notes, unsettled, failure } = await checked(options, deps);
  if (failure !== undefined && !isJson) {
    print(warningLines(warnings, buildfile));
    throw failure;
  }
  for (const { message, hint } of notes) warn(`note: ${message}: ${hint}`);
  for (const image of new Set(unsettled.map((each) => each.image))) {
    warn(`note: the base image "${image}" cannot be had: what it sets is not checked`);
  }
  if (isJson) {
    const buildError = failure === undefined ? {} : { buildError: errorJson(failure) };
    printJson({ warnings: warnings.map(warningJson), sources, ...buildError });
  } else {
    print([...warningLines(warnings, buildfile), checkedLine(warnings, buildfile)]);
  }
  return warnings.length === 0 && failure === undefined ? EXIT.ok : EXIT.failed;
}

/** A warning of a rule; or of the parser, which has no rules. */
type CheckWarning = Pick<LintWarning, 'message' | 'source'> &
  Partial<Pick<LintWarning, 'rule' | 'hint'>>;

type Checked = Pick<CheckResult, 'notes' | 'unsettled'> & {
  readonly warnings: readonly CheckWarning[];
  readonly failure: UserError | undefined;
};

/** What the checks find; what cannot be parsed or planned is a failure like any other. */
async function checked(...args: Parameters<typeof checkBuild>): Promise<Checked> {
  try {
    const result = await checkBuild(...args);
    const { warnings, formWarnings, notes, unknown } = result;
    const all = [...warnings, ...formWarnings];
    all.sort((a, b) => a.source.startLine - b.source.startLine);
    return { ...result, warnings: all, notes: [...notes, ...unknown] };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { warnings: [], notes: [], unsettled: [], failure: error };
  }
}

function warningLines(
  warnings: readonly CheckWarning[],
  { text }: Pick<BuildfileInput, 'text'>,
): string[] {
  return warnings.flatMap(({ rule, message, hint, source }) => [
    `warning: ${rule === undefined ? '' : `${rule}: `}${message}`,
    formatPosition(source),
    ...snippet(source, text),
    ...(hint === undefined ? [] : [`hint: ${hint}`]),
    '',
  ]);
}

function checkedLine(warnings: readonly CheckWarning[], { path }: BuildfileInput): string {
  const count = warnings.length;
  const found = count === 0 ? 'no warning' : count === 1 ? '1 warning' : `${count} warnings`;
  return `Checked ${path ?? 'standard input'}: ${found}`;
}

type Target = ReturnType<typeof targetsOf>[number];
type Outline = ReturnType<typeof outlineBuild>;

function targetLines(targets: readonly Target[]): string[] {
  const rows = targets.map(({ name, isDefault, description }) => {
    const mark = isDefault ? '(default)' : '';
    return [[name, mark].filter(Boolean).join(' '), description ?? ''];
  });
  return formatTable([['TARGET', 'DESCRIPTION'], ...rows]);
}

function outlineLines({ name, description, args, secrets, ssh }: Outline): string[] {
  const head = [
    ...(name !== undefined || description !== undefined ? [['TARGET:', name ?? '(default)']] : []),
    ...(description !== undefined ? [['DESCRIPTION:', description]] : []),
  ];
  const mounts = (title: string, list: Outline['secrets']): string[][] => [
    [title, 'REQUIRED'],
    ...list.map(({ id, required }) => [id, required ? 'true' : '']),
  ];
  const tables = [
    head,
    args.length === 0
      ? []
      : [
          ['BUILD ARG', 'VALUE', 'DESCRIPTION'],
          ...args.map((arg) => [arg.name, arg.value ?? '', arg.description ?? '']),
        ],
    secrets.length === 0 ? [] : mounts('SECRET', secrets),
    ssh.length === 0 ? [] : mounts('SSH', ssh),
  ].filter((table) => table.length > 0);
  if (tables.length === 0) return ['The target takes no arguments, secrets or keys'];
  return tables.flatMap((table, index) => [...(index > 0 ? [''] : []), ...formatTable(table)]);
}

/* The JSON forms have the keys of BuildKit's. */

interface LocationJson {
  readonly ranges: readonly {
    readonly start: { readonly line: number; readonly character?: number };
    readonly end: { readonly line: number; readonly character?: number };
  }[];
}

function errorJson(error: UserError): object {
  const location = error.source === undefined ? {} : { location: locationJson(error.source) };
  return { message: messageOf(error), ...location };
}

/** Lines count from 1, characters from 0; without characters the whole lines are meant. */
function locationJson({ startLine, endLine, at }: SourceRange): LocationJson {
  if (at === undefined) return { ranges: [{ start: { line: startLine }, end: { line: endLine } }] };
  const { line, column, length } = at;
  const start = { line, character: column - 1 };
  return { ranges: [{ start, end: { line, character: column - 1 + length } }] };
}

function lineJson(line: number): LocationJson {
  return { ranges: [{ start: { line }, end: { line } }] };
}

function encoded({ text }: BuildfileInput): string {
  return Buffer.from(text).toString('base64');
}

/** What has no rule has an empty name of one. */
function warningJson({ rule, message, hint, source }: CheckWarning): object {
  const description = rule === undefined ? message : LINT_RULES[rule].description;
  return {
    ruleName: rule ?? '',
    description,
    detail: message,
    hint,
    location: locationJson(source),
  };
}

function targetJson({ name, isDefault, description, base, platform, line }: Target): object {
  return {
    ...(name !== undefined && { name }),
    ...(isDefault && { default: true }),
    ...(description !== undefined && { description }),
    base,
    ...(platform !== undefined && { platform }),
    location: lineJson(line),
  };
}

function outlineJson(
  { name, description, args, secrets, ssh }: Outline,
  buildfile: BuildfileInput,
): object {
  const mounts = (list: Outline['secrets']): object[] =>
    list.map(({ id, required, line }) => ({
      name: id,
      ...(required && { required }),
      location: lineJson(line),
    }));
  return {
    ...(name !== undefined && { name }),
    ...(description !== undefined && { description }),
    ...(args.length > 0 && {
      args: args.map(({ line, ...arg }) => ({ ...arg, location: lineJson(line) })),
    }),
    ...(secrets.length > 0 && { secrets: mounts(secrets) }),
    ...(ssh.length > 0 && { ssh: mounts(ssh) }),
    sources: [encoded(buildfile)],
  };
}
