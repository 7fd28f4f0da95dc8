import type { BuildResult } from '../src/build/options.js';

/** Version of the file's schema; docs/formats.md describes it. */
const METADATA_VERSION = 1;

/** What `--metadata-file` receives. Keys with a dot are those of `docker buildx`. */
export function metadataOf(result: BuildResult): Record<string, unknown> {
  const { tags, imageDigest, configDigest, manifestDescriptor, steps, outputs } = result;
  return {
    metadataVersion: METADATA_VERSION,
    ...(tags.length > 0 && { 'image.name': tags.join(',') }),
    'containerimage.digest': imageDigest,
    'containerimage.config.digest': configDigest,
    'containerimage.descriptor': manifestDescriptor,
    durationMs: result.durationMs,
    ...(result.context !== undefined && { context: result.context }),
    steps,
    outputs,
  };
}
