/* The one place that knows what the parser understands and the builder does not do yet. */
import { UserError } from '../util/errors.js';
import type { AnyInstruction, RunInstruction } from './ast.js';
import { sourceOf } from './locate.js';

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
  const source = sourceOf(instruction, { text: refusal.what });
  throw new UserError(
    'TSB_UNSUPPORTED',
    `Cannot build ${instruction.kind.toUpperCase()} with ${refusal.what}: tsbuild does not have it`,
    { hint: refusal.hint, source },
  );
}

function findRefusal(instruction: AnyInstruction): Refusal | undefined {
  switch (instruction.kind) {
    case 'run':
      return refuseRun(instruction);
    case 'onbuild':
      return findRefusal(instruction.trigger);
    default:
      return undefined;
  }
}

function refuseRun({ devices }: RunInstruction): Refusal | undefined {
  if (devices.length === 0) return undefined;
  return { what: '--device', hint: 'RUN --security=insecure has the devices that the host has' };
}
