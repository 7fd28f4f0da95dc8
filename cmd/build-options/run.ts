import type { BuildOptions } from '../../src/build/options.js';
import { UserError } from '../../src/util/errors.js';
import type { Parsed } from '../command.js';

/** How RUNs are carried out. */
export const RUN_OPTIONS = {
  network: {
    type: 'string',
    choices: ['default', 'host', 'none'],
    describe: "Of RUN; the default is the host's",
  },
  'fuse-channel': {
    type: 'string',
    choices: ['device', 'libfuse'],
    describe: "How RUN's files are served; libfuse, to compare: by the package fuse-native",
  },
  jobs: { type: 'string', describe: 'Steps of independent stages run at once [CPUs]' },
} as const;

/** UserError TSB_USAGE for a value that is not well-formed. */
export function runOptions(
  options: Parsed<typeof RUN_OPTIONS>,
): Pick<BuildOptions, 'network' | 'fuseChannel' | 'jobs'> {
  return {
    network: options.network === 'none' ? 'none' : 'host',
    ...(options['fuse-channel'] !== undefined && { fuseChannel: options['fuse-channel'] }),
    ...(options.jobs !== undefined && { jobs: parseJobs(options.jobs) }),
  };
}

function parseJobs(text: string): number {
  const jobs = Number(text);
  if (/^\d{1,4}$/.test(text) && jobs > 0) return jobs;
  throw new UserError('TSB_USAGE', `Cannot use --jobs "${text}": want a number from 1`);
}
