import type { BuildOptions, PullPolicy } from '../../src/build/options.js';
import type { Parsed } from '../command.js';

/** What is made again, and what is asked for again. */
export const CACHE_OPTIONS = {
  'no-cache': { type: 'boolean', describe: 'Run every step again' },
  'no-cache-filter': {
    type: 'string',
    array: true,
    describe: 'Run every step of these stages again: STAGE,…; may be repeated',
  },
  pull: {
    type: 'string',
    choices: ['always', 'missing', 'never', 'newer', 'true', 'false'],
    bareValue: 'always',
    describe: 'When to ask the registry for base images; newer: if it can be reached [missing]',
  },
} as const;

export function cacheOptions(
  options: Parsed<typeof CACHE_OPTIONS>,
): Pick<BuildOptions, 'noCache' | 'noCacheFilter' | 'pull'> {
  const filters = (options['no-cache-filter'] ?? []).flatMap((words) => words.split(','));
  return {
    noCache: options['no-cache'] === true,
    noCacheFilter: filters.map((word) => word.trim()).filter((word) => word !== ''),
    pull: pullPolicyOf(options.pull),
  };
}

/** docker's `--pull` is a boolean, podman's has names. */
function pullPolicyOf(value: Parsed<typeof CACHE_OPTIONS>['pull']): PullPolicy {
  if (value === undefined || value === 'false') return 'missing';
  return value === 'true' ? 'always' : value;
}
