import type { BuildOptions } from '../../src/build/options.js';
import type { Parsed } from '../command.js';
import { parseAnnotations } from './annotations.js';
import { parsePairs } from '../pairs.js';

/** What becomes of the image. */
export const IMAGE_OPTIONS = {
  tag: { type: 'string', alias: 't', array: true, describe: 'Name for the image; may be repeated' },
  output: {
    type: 'string',
    alias: 'o',
    array: true,
    describe: 'type=oci|oci-archive|docker|local|tar,dest=PATH, or a directory',
  },
  push: { type: 'boolean', describe: 'Push the tags to their registries' },
  annotation: {
    type: 'string',
    array: true,
    describe: '[manifest|index|manifest-descriptor|index-descriptor:]NAME=VALUE',
  },
  label: { type: 'string', array: true, describe: 'NAME=VALUE for the image' },
  squash: { type: 'boolean', describe: 'Make one layer of all that the build adds' },
  'squash-all': { type: 'boolean', describe: 'Make one layer of all, with the base image' },
} as const;

/** UserError TSB_USAGE for an output or pair that is not well-formed. */
export async function imageOptions(
  options: Parsed<typeof IMAGE_OPTIONS>,
): Promise<Pick<BuildOptions, 'tags' | 'outputs' | 'push' | 'labels' | 'annotations' | 'squash'>> {
  const { parseOutputSpec } = await import('../../src/output/output-spec.js');
  return {
    tags: options.tag ?? [],
    outputs: (options.output ?? []).map((text) => parseOutputSpec(text)),
    ...(options.squash === true && { squash: 'new' }),
    ...(options['squash-all'] === true && { squash: 'all' }),
    push: options.push === true,
    annotations: parseAnnotations(options.annotation ?? []),
    labels: parsePairs(options.label ?? [], '--label', () => ''),
  };
}
