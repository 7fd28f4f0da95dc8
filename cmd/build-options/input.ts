import type { BuildOptions } from '../../src/build/options.js';
import { findBuildfile } from '../buildfile.js';
import type { Parsed } from '../command.js';

/** Where the Buildfile and the files come from. */
export const INPUT_OPTIONS = {
  file: {
    type: 'string',
    alias: 'f',
    describe: 'The Buildfile; http URL; - is standard input [Buildfile, Dockerfile, Containerfile]',
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
): Promise<Pick<BuildOptions, 'context' | 'buildfile' | 'ignoreFile'>> {
  return {
    context,
    buildfile: await findBuildfile(options.file, context),
    ...(options.ignorefile !== undefined && { ignoreFile: options.ignorefile }),
  };
}
