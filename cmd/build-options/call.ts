import { UserError } from '../../src/util/errors.js';
import { suggest } from '../../src/util/suggest.js';
import type { Parsed } from '../command.js';

/** What to tell of the Buildfile instead of building it. */
export const CALL_OPTIONS = {
  check: { type: 'boolean', describe: 'Check the Buildfile and build nothing: --call check' },
  call: {
    type: 'string',
    describe: 'Build nothing, but print: check, outline or targets; and ,format=json',
  },
} as const;

const CALLS = ['build', 'check', 'outline', 'targets'] as const;
const FORMATS = ['text', 'json'] as const;

/** What is printed, and how. */
export interface Call {
  readonly what: Exclude<(typeof CALLS)[number], 'build'>;
  readonly format: (typeof FORMATS)[number];
}

/** Whether these words of a command line call for no build. */
export function callsForNoBuild(argv: readonly string[]): boolean {
  return argv.some((each) => each === '--check' || each === '--call' || each.startsWith('--call='));
}

/** What is asked for; undefined: a build. */
export function callOptions({ check, call }: Parsed<typeof CALL_OPTIONS>): Call | undefined {
  if (check === true && call !== undefined) {
    throw new UserError('TSB_USAGE', 'Cannot use --check with --call: want one of them');
  }
  const [what = '', ...settings] = (check === true ? 'check' : (call ?? 'build')).split(',');
  const known = CALLS.find((each) => each === what);
  if (known === undefined) throw unknown('--call', what, CALLS);
  let format: Call['format'] = 'text';
  for (const setting of settings) {
    const [key = '', value = ''] = setting.split('=', 2);
    if (key !== 'format') throw unknown(`--call ${what},`, setting, ['format=json', 'format=text']);
    const found = FORMATS.find((each) => each === value);
    if (found === undefined) throw unknown('--call format', value, FORMATS);
    format = found;
  }
  return known === 'build' ? undefined : { what: known, format };
}

function unknown(option: string, found: string, candidates: readonly string[]): UserError {
  const near = suggest(found, candidates);
  const hint = near === undefined ? undefined : { hint: `did you mean ${near}?` };
  const want = candidates.join(', ');
  return new UserError('TSB_USAGE', `Cannot use ${option} "${found}": want one of ${want}`, hint);
}
