/* Rules of the instructions of a stage, one after the other. */
import path from 'node:path';
import type { Instruction } from '../dockerfile/ast.js';
import { isBrokenArray } from '../dockerfile/form-warnings.js';
import { splitBlanks } from '../dockerfile/parser.js';
import { parsePortSpec } from '../dockerfile/ports.js';
import { suggest } from '../util/suggest.js';
import type { LintReport } from './report.js';
import { attempt } from './global-scope.js';
import type { Expanded, StageValues } from './stage-values.js';

/** What an ignore file says, as CopyIgnoredFile needs it. */
export interface IgnoreRules {
  /** Whether a line begins with `!`: then nothing is certain. */
  readonly hasExceptions: boolean;
  /** Whether everything below the context's root is left out. */
  readonly isAll: boolean;
  ignores(path: string): boolean;
}

/** What rules know of a stage as its instructions go by; a stage FROM it inherits it. */
export interface StageFacts {
  hasShell: boolean;
  hasWorkdir: boolean;
}

/** Of names that look like a secret's: one of these words, parted from the others by `_`. */
const SECRET_WORDS =
  /(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)/i;
const HARMLESS_WORDS = /(?:_|^)(?:public|file|version)(?:_|$)/i;

/** Arguments that are the builder's and never in the environment. */
const BUILDER_ARGS: readonly string[] = ['BUILDKIT_SBOM_SCAN_CONTEXT', 'BUILDKIT_SBOM_SCAN_STAGE'];

const ONCE: readonly Instruction['kind'][] = ['cmd', 'entrypoint', 'healthcheck'];

export function checkUndefined(
  instruction: Instruction,
  { unset }: Expanded<Instruction>,
  { values, report }: { values: StageValues; report: LintReport },
): void {
  for (const name of unset) {
    if (BUILDER_ARGS.includes(name)) continue;
    const others = values.names.filter((each) => each !== name);
    const near = suggest(name, others);
    report.add(instruction, {
      rule: 'UndefinedVar',
      message: `Variable "$${name}" is not set here`,
      hint:
        near === undefined
          ? `Write ARG ${name} or ENV ${name}=VALUE above`
          : `Did you mean $${near}?`,
      part: { text: referenceTo(name, instruction) },
    });
  }
}

/** How an instruction refers to a variable first: `$name` or `${name`. */
function referenceTo(name: string, { original }: Instruction): string {
  const [plain, braced] = [`$${name}`, `\${${name}`];
  const [at, bracedAt] = [original.indexOf(plain), original.indexOf(braced)];
  return at < 0 || (bracedAt >= 0 && bracedAt < at) ? braced : plain;
}

export function checkOnce(
  instruction: Instruction,
  { seen, report }: { seen: Map<Instruction['kind'], Instruction>; report: LintReport },
): void {
  const { kind } = instruction;
  if (!ONCE.includes(kind)) return;
  const before = seen.get(kind);
  seen.set(kind, instruction);
  if (before === undefined) return;
  const keyword = kind.toUpperCase();
  report.add(before, {
    rule: 'MultipleInstructionsDisallowed',
    message: `${keyword} has no effect: line ${instruction.source.startLine} has another one`,
    hint: `Remove one ${keyword}`,
  });
}

export function checkInstruction(
  written: Instruction,
  instruction: Instruction,
  {
    facts,
    ignore,
    report,
  }: { facts: StageFacts; ignore: IgnoreRules | undefined; report: LintReport },
): void {
  switch (instruction.kind) {
    case 'cmd':
    case 'entrypoint':
      // The parser has warned of a broken array.
      if (instruction.command.form !== 'shell' || isBrokenArray(written)) return;
      if (!facts.hasShell) warnOfShellForm(written, report);
      return;
    case 'shell':
      facts.hasShell = true;
      return;
    case 'workdir':
      if (!facts.hasWorkdir && !instruction.path.startsWith('/')) {
        warnOfRelative(written, instruction.path, report);
      }
      facts.hasWorkdir = true;
      return;
    case 'env':
    case 'label':
      if (instruction.legacy === true)
        warnOfLegacy(written, instruction.pairs[0]?.key ?? '', report);
      if (instruction.kind !== 'env') return;
      for (const { key } of instruction.pairs) checkSecret(written, key, report);
      return;
    case 'arg':
      for (const { name } of instruction.args) checkSecret(written, name, report);
      return;
    case 'copy':
      if (instruction.from === undefined) checkIgnored(instruction, { ignore, written, report });
      return;
    case 'add':
      checkIgnored(instruction, { ignore, written, report });
      return;
    default:
  }
}

/** The words of EXPOSE, expanded one by one: what they become is their ports only. */
export function checkExpose(
  instruction: Instruction,
  words: readonly string[],
  report: LintReport,
): void {
  for (const word of words) {
    const spec = attempt(() => parsePortSpec(word));
    if (spec === undefined) continue;
    if (spec.protocol !== spec.protocol.toLowerCase()) {
      report.add(instruction, {
        rule: 'ExposeProtoCasing',
        message: `EXPOSE ${word} has a protocol in capital letters`,
        hint: `Write ${word.toLowerCase()}`,
        part: { text: word },
      });
    }
    if (spec.host !== '' && spec.host !== ':') {
      report.add(instruction, {
        rule: 'ExposeInvalidFormat',
        message: `EXPOSE ${word} names an address or a port of the host, which has no effect`,
        hint: `Write ${word.slice(spec.host.length)}, and map the port when the container is run`,
        part: { text: word },
      });
    }
  }
}

function keywordOf({ original }: Instruction): string {
  return splitBlanks(original)[0] ?? '';
}

function warnOfShellForm(instruction: Instruction, report: LintReport): void {
  const keyword = keywordOf(instruction).toUpperCase();
  report.add(instruction, {
    rule: 'JSONArgsRecommended',
    message: `${keyword} runs in a shell, which keeps signals from the program`,
    hint: `Write ${keyword} ["PROGRAM", "ARGUMENT"], or a SHELL above to say that it is meant`,
  });
}

function warnOfRelative(instruction: Instruction, directory: string, report: LintReport): void {
  report.add(instruction, {
    rule: 'WorkdirRelativePath',
    message: `WORKDIR "${directory}" is relative to that of the base image, which may change`,
    hint: `Write WORKDIR /${directory}`,
  });
}

function warnOfLegacy(instruction: Instruction, name: string, report: LintReport): void {
  const keyword = keywordOf(instruction);
  report.add(instruction, {
    rule: 'LegacyKeyValueFormat',
    message: `${keyword.toUpperCase()} is written without =`,
    hint: `Write ${keyword} ${name}=VALUE, with quotes around a value that has blanks`,
    part: { text: name },
  });
}

/** Whether a name looks like that of a secret. */
export function looksSecret(name: string): boolean {
  return SECRET_WORDS.test(name) && !HARMLESS_WORDS.test(name);
}

function checkSecret(instruction: Instruction, name: string, report: LintReport): void {
  if (!looksSecret(name)) return;
  report.add(instruction, {
    rule: 'SecretsUsedInArgOrEnv',
    message: `${keywordOf(instruction).toUpperCase()} "${name}" looks like a secret: the image keeps it`,
    hint: `Use RUN --mount=type=secret,id=${name.toLowerCase()},env=${name}`,
    part: { text: name },
  });
}

function checkIgnored(
  instruction: Extract<Instruction, { kind: 'copy' | 'add' }>,
  {
    ignore,
    written,
    report,
  }: { ignore: IgnoreRules | undefined; written: Instruction; report: LintReport },
): void {
  if (ignore === undefined || ignore.hasExceptions) return;
  for (const [index, source] of instruction.sources.entries()) {
    if (source.kind !== 'path' || isRemote(source.path)) continue;
    const clean = path.posix.normalize(source.path).replace(/\/+$/, '').replace(/^\/+/, '');
    const isRoot = clean === '' || clean === '.';
    if (isRoot ? !ignore.isAll : !ignore.ignores(clean)) continue;
    const original = written.kind === instruction.kind ? written.sources[index] : undefined;
    report.add(written, {
      rule: 'CopyIgnoredFile',
      message: `${instruction.kind.toUpperCase()} "${source.path}" is left out of the context`,
      hint: 'Remove its line from the ignore file, or the file from the instruction',
      part: original?.kind === 'path' ? { text: original.path } : undefined,
    });
  }
}

function isRemote(source: string): boolean {
  return /^[a-z+]+:\/\/|^git@/i.test(source);
}
