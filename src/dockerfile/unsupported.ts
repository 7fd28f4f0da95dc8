/* The one place that knows what the parser understands and the builder does not do yet. */
import { UserError } from '../util/errors.js';
import type { AddInstruction, AnyInstruction, RunInstruction } from './ast.js';

interface Refusal {
  readonly what: string;
  readonly hint: string;
}

/**
 * Throws TSB_UNSUPPORTED, with position and hint, for an instruction that cannot be built. Works
 * on instructions as written and as expanded: a URL may come out of a variable.
 */
export function refuseUnsupported(instruction: AnyInstruction): void {
  const refusal = findRefusal(instruction);
  if (refusal === undefined) return;
  const { source } = instruction;
  throw new UserError(
    'TSB_UNSUPPORTED',
    `Cannot build ${instruction.kind.toUpperCase()} with ${refusal.what}: this version does not have it`,
    { hint: refusal.hint, source },
  );
}

function findRefusal(instruction: AnyInstruction): Refusal | undefined {
  switch (instruction.kind) {
    case 'run':
      return refuseRun(instruction);
    case 'add':
      return refuseAdd(instruction);
    case 'onbuild':
      return findRefusal(instruction.trigger);
    default:
      return undefined;
  }
}

function refuseRun({ mounts, security, devices }: RunInstruction): Refusal | undefined {
  if (mounts.length > 0) {
    return { what: '--mount', hint: 'COPY what the command needs, and remove it in the same RUN' };
  }
  if (security !== undefined) {
    return { what: '--security', hint: 'Remove the flag: every RUN is sandboxed' };
  }
  if (devices.length > 0) return { what: '--device', hint: 'Remove the flag' };
  return undefined;
}

function refuseAdd(instruction: AddInstruction): Refusal | undefined {
  const { checksum, keepGitDir, sources } = instruction;
  if (checksum !== undefined) return { what: '--checksum', hint: 'Run sha256sum -c in a RUN' };
  if (keepGitDir !== undefined) return { what: '--keep-git-dir', hint: 'Run git clone in a RUN' };
  for (const source of sources) {
    if (source.kind !== 'path') continue;
    if (isGitRepository(source.path)) {
      return { what: `repository "${source.path}"`, hint: 'Run git clone in a RUN' };
    }
    if (isUrl(source.path)) return { what: `URL "${source.path}"`, hint: 'Run curl in a RUN' };
  }
  return undefined;
}

function isUrl(path: string): boolean {
  return /^(https?|ftp):\/\//i.test(path);
}

function isGitRepository(path: string): boolean {
  return (
    /^(git|ssh):\/\//i.test(path) ||
    /^[\w.-]+@[\w.-]+:/.test(path) ||
    /^github\.com\//.test(path) ||
    (isUrl(path) && /\.git(#.*)?$/.test(path))
  );
}
