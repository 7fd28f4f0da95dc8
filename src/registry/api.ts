import { formatFamiliar } from '../oci/reference.js';
import type { Reference } from '../oci/reference.js';
import type { Transport } from './transport.js';

/** The endpoints of a repository (distribution-spec, Endpoints). */
export function repositoryUrl(
  transport: Transport,
  { domain, path }: Reference,
  endpoint: string,
): URL {
  return new URL(`${path}/${endpoint}`, transport.origins.baseUrl(domain));
}

/** What a token allows to do with a repository. */
export type Action = 'pull' | 'push';

/** What a token must allow. */
export function scopeOf({ path }: Reference, ...actions: readonly Action[]): string {
  return `repository:${path}:${actions.join(',')}`;
}

/** A reference in a message. */
export function quote(reference: Reference): string {
  return JSON.stringify(formatFamiliar(reference));
}
