import type { CopyBase, InstructionBase, KeyValue, RunInstruction } from '../dockerfile/ast.js';
import { redactUrls } from '../util/redact.js';

/** Marks the steps that tsbuild carried out, at the end of their history lines. */
const MARK = '# tsbuild';

/** `RUN |2 A=1 B=2 /bin/sh -c make`: the arguments in scope, then the command. */
export function runHistory(
  args: Readonly<Record<string, string>>,
  argv: readonly string[],
): string {
  const pairs = Object.entries(args).map(([name, value]) => `${name}=${value}`);
  const counted = pairs.length === 0 ? [] : [`|${pairs.length}`, ...pairs];
  return ['RUN', ...counted, ...argv, MARK].join(' ');
}

/** `COPY --chown=1:1 a b /dir/`. A heredoc is shown by its name. */
export function copyHistory(
  instruction: CopyBase & {
    readonly kind: 'copy' | 'add';
    readonly from?: string;
    readonly parents?: boolean;
  },
): string {
  const { kind, chown, chmod, from, parents, sources, destination } = instruction;
  const flags = [
    ...(parents === true ? ['--parents'] : []),
    ...(from === undefined ? [] : [`--from=${from}`]),
    ...(chown === undefined ? [] : [`--chown=${chown}`]),
    ...(chmod === undefined ? [] : [`--chmod=${chmod}`]),
  ];
  const words = sources.map((source) =>
    source.kind === 'path' ? redactUrls(source.path) : `<<${source.name}`,
  );
  return [kind.toUpperCase(), ...flags, ...words, destination, MARK].join(' ');
}

/** `ENV a=b c=d`, `LABEL a=b`. */
export function pairsHistory(keyword: string, pairs: readonly KeyValue[]): string {
  return [keyword, ...pairs.map(({ key, value }) => `${key}=${value}`)].join(' ');
}

/** `CMD ["sh" "-c" "true"]`, as Go prints a list of strings. */
export function argvHistory(keyword: string, argv: readonly string[]): string {
  return `${keyword} [${argv.map((word) => JSON.stringify(word)).join(' ')}]`;
}

/** `VOLUME [/a /b]`. */
export function listHistory(keyword: string, words: readonly string[]): string {
  return `${keyword} [${words.join(' ')}]`;
}

/** The instruction as one line, for a vertex; credentials in URLs are left out. */
export function oneLine({ original }: InstructionBase): string {
  return redactUrls(original.replace(/\s+/g, ' ').trim());
}

const COMMAND_TEXT_MAX = 200;

/** A RUN's command for a message: one line, shortened. */
export function commandText({ command }: RunInstruction): string {
  const text =
    command.form === 'exec'
      ? command.argv.join(' ')
      : command.form === 'shell'
        ? command.command
        : command.text;
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length <= COMMAND_TEXT_MAX ? line : `${line.slice(0, COMMAND_TEXT_MAX)}…`;
}
