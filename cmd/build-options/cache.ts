import type { BuildOptions } from '../../src/build/options.js';
import type { Parsed } from '../command.js';

/** What is made again, and what is asked for again. */
export const CACHE_OPTIONS = {
  'no-cache': { type: 'boolean', describe: 'Run every step again' },
  pull: {
    type: 'string',
    choices: ['always', 'missing', 'never'],
    bareValue: 'always',
    describe: 'When to ask the registry for base images [missing]',
  },
} as const;

export function cacheOptions(
  options: Parsed<typeof CACHE_OPTIONS>,
): Pick<BuildOptions, 'noCache' | 'pull'> {
  return { noCache: options['no-cache'] === true, pull: options.pull ?? 'missing' };
}
