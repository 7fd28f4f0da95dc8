import type { BuildOptions } from '../../src/build/options.js';
import type { Parsed } from '../command.js';
import { parsePairs, parseSourceDateEpoch } from '../pairs.js';

/** What is built, and with which arguments. */
export const SCOPE_OPTIONS = {
  target: { type: 'string', describe: 'Stage to build [the last]' },
  'build-arg': { type: 'string', array: true, describe: 'NAME=VALUE for ARG; NAME: from here' },
  platform: { type: 'string', describe: "os/architecture: only this machine's" },
} as const;

/** The arguments of the build; `SOURCE_DATE_EPOCH` also comes from the environment. */
export function scopeOptions(
  options: Parsed<typeof SCOPE_OPTIONS>,
  env: NodeJS.ProcessEnv,
): Pick<BuildOptions, 'buildArgs' | 'target' | 'platform' | 'sourceDateEpoch'> {
  const buildArgs = parsePairs(options['build-arg'] ?? [], '--build-arg', (name) => env[name]);
  const epoch = parseSourceDateEpoch(buildArgs['SOURCE_DATE_EPOCH'] ?? env['SOURCE_DATE_EPOCH']);
  return {
    buildArgs,
    ...(options.target !== undefined && { target: options.target }),
    ...(options.platform !== undefined && { platform: options.platform }),
    ...(epoch !== undefined && { sourceDateEpoch: epoch }),
  };
}
