import * as v from 'valibot';
import { UserError } from '../util/errors.js';
import type { Schema } from './json.js';
import { parseJson, wireObject } from './json.js';
import { formatReference, parseReference, withDefaultTag } from './reference.js';

/** The name of the list of images in a docker archive (`docker save`). */
export const DOCKER_ARCHIVE_MANIFEST = 'manifest.json';

/** One image of a docker archive: names of archive members, layers base first. */
export interface DockerArchiveEntry {
  readonly Config: string;
  readonly RepoTags?: readonly string[];
  readonly Layers: readonly string[];
}

const archiveSchema: Schema<DockerArchiveEntry[]> = v.array(
  wireObject({
    Config: v.string(),
    RepoTags: v.exactOptional(v.array(v.string())),
    Layers: v.optional(v.array(v.string()), []),
  }),
);

/** Parses the archive's `manifest.json`; UserError TSB_IMAGE_INVALID. */
export function parseDockerArchive(bytes: Uint8Array, what: string): DockerArchiveEntry[] {
  return parseJson(bytes, archiveSchema, what);
}

/** The image that `reference` names, or, without one, the only one; UserError TSB_IMAGE_NOT_FOUND. */
export function chooseFromArchive(
  entries: readonly DockerArchiveEntry[],
  reference: string | undefined,
  what: string,
): DockerArchiveEntry {
  const wanted = reference === undefined ? undefined : canonical(reference);
  const named = entries.filter(
    ({ RepoTags = [] }) =>
      wanted === undefined || RepoTags.some((tag) => canonical(tag) === wanted),
  );
  const [only] = named;
  if (only !== undefined && named.length === 1) return only;
  const names = entries.flatMap(({ RepoTags = [] }) => RepoTags);
  const want = reference === undefined ? 'one image' : `image ${JSON.stringify(reference)}`;
  const found = named.length === 0 ? 'none' : `${named.length} of them`;
  throw new UserError('TSB_IMAGE_NOT_FOUND', `Cannot find ${want} in ${what}: found ${found}`, {
    hint: names.length === 0 ? 'no image there has a name' : `it has ${names.join(', ')}`,
  });
}

function canonical(reference: string): string {
  return formatReference(withDefaultTag(parseReference(reference)));
}
