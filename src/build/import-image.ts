import type { ImageSource } from '../oci/image-source.js';
import { UserError } from '../util/errors.js';
import type { ImageRecord } from '../store/images.js';
import type { Session } from './session.js';

/** Brings an image from a layout or archive into the store. */
export function importImage(
  _session: Session,
  source: Exclude<ImageSource, { kind: 'reference' }>,
): Promise<ImageRecord> {
  throw new UserError('TSB_UNSUPPORTED', `Cannot read images of ${source.kind} yet`);
}
