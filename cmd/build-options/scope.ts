import type { BuildOptions } from '../../src/build/options.js';
import { UserError } from '../../src/util/errors.js';
import type { Parsed } from '../command.js';
import { readArgumentFile } from './argument-file.js';
import { parsePairs, parseSourceDateEpoch } from '../pairs.js';

/** What is built, and with which arguments. */
export const SCOPE_OPTIONS = {
  target: { type: 'string', describe: 'Stage to build [the last]' },
  'build-arg': { type: 'string', array: true, describe: 'NAME=VALUE for ARG; NAME: from here' },
  'build-arg-file': {
    type: 'string',
    array: true,
    describe: 'File of such lines, as they are: no quotes, no comment behind; --build-arg beats it',
  },
  platform: { type: 'string', describe: "os/architecture[/variant],… [this machine's]" },
} as const;

/** The arguments of the build; `SOURCE_DATE_EPOCH` also comes from the environment. */
export function scopeOptions(
  options: Parsed<typeof SCOPE_OPTIONS>,
  env: NodeJS.ProcessEnv,
): Pick<BuildOptions, 'buildArgs' | 'target' | 'platform' | 'sourceDateEpoch'> {
  if (options.target === '') {
    throw new UserError('TSB_USAGE', 'Cannot use --target "": it wants the name of a stage');
  }
  const inFiles = (options['build-arg-file'] ?? []).flatMap((file) => readArgumentFile(file));
  const buildArgs = {
    ...parsePairs(inFiles, '--build-arg-file', (name) => env[name]),
    ...parsePairs(options['build-arg'] ?? [], '--build-arg', (name) => env[name]),
  };
  const epoch = parseSourceDateEpoch(buildArgs['SOURCE_DATE_EPOCH'] ?? env['SOURCE_DATE_EPOCH']);
  return {
    buildArgs,
    ...(options.target !== undefined && { target: options.target }),
    ...(options.platform !== undefined && { platform: options.platform }),
    ...(epoch !== undefined && { sourceDateEpoch: epoch }),
  };
}
