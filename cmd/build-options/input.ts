import type { BuildOptions } from '../../src/build/options.js';
import { findBuildfile } from '../buildfile.js';
import { UserError } from '../../src/util/errors.js';
import type { Parsed } from '../command.js';
import { parsePairs } from '../pairs.js';

/** Where the Buildfile and the files come from. */
export const INPUT_OPTIONS = {
  file: {
    type: 'string',
    alias: 'f',
    describe: 'The Buildfile; http URL; - is standard input [Buildfile, Dockerfile, Containerfile]',
  },
  'build-context': {
    type: 'string',
    array: true,
    describe:
      'NAME=DIRECTORY, URL, docker-image://, oci-layout:// or target:STAGE for a FROM or --from',
  },
  ignorefile: {
    type: 'string',
    describe: 'The ignore file [BUILDFILE.dockerignore, CONTEXT/.containerignore, .dockerignore]',
  },
} as const;

/** Reads the Buildfile, if it is on this machine. */
export async function inputOptions(
  options: Parsed<typeof INPUT_OPTIONS>,
  context: string,
): Promise<Pick<BuildOptions, 'context' | 'buildfile' | 'ignoreFile' | 'namedContexts'>> {
  return {
    context,
    buildfile: await findBuildfile(options.file, context),
    namedContexts: parseContexts(options['build-context'] ?? []),
    ...(options.ignorefile !== undefined && { ignoreFile: options.ignorefile }),
  };
}

function parseContexts(words: readonly string[]): Record<string, string> {
  for (const word of words) {
    if (word.includes('=')) continue;
    throw new UserError('TSB_USAGE', `Cannot use --build-context "${word}": want NAME=VALUE`, {
      hint: 'For example --build-context tools=./tools',
    });
  }
  return parsePairs(words, '--build-context', () => undefined);
}
