import type { BuildOptions } from '../../src/build/options.js';
import { readBuildfile } from '../buildfile.js';
import type { Parsed } from '../command.js';

/** Where the Buildfile and the files come from. */
export const INPUT_OPTIONS = {
  file: {
    type: 'string',
    alias: 'f',
    describe: 'The Buildfile; - is standard input [CONTEXT/Buildfile, Dockerfile, Containerfile]',
  },
} as const;

/** Reads the Buildfile. */
export async function inputOptions(
  options: Parsed<typeof INPUT_OPTIONS>,
  context: string,
): Promise<Pick<BuildOptions, 'context' | 'buildfile'>> {
  return { context, buildfile: await readBuildfile(options.file, context) };
}
