import { InternalError } from '../src/util/assert.js';

/** Tells the process inside who started it outside, where its own user id is 0 at any rate. */
const OUTSIDE_UID = 'TSBUILD_OUTSIDE_UID';

/** What is known of the outside, inside of tsbuild's own namespaces. */
export interface Inside {
  /** The user is root outside, too: owners can be set as in the image. */
  readonly privileged: boolean;
}

/**
 * Makes sure that the process is in tsbuild's own namespaces: if not, it is replaced by itself in
 * them, and this does not return. Call it before any other work.
 */
export async function enterNamespaces(): Promise<Inside> {
  const { enterNamespaces: enter, isNamespaced } = await import('../src/exec/reexec.js');
  const { argv, env } = process;
  if (isNamespaced(env)) return { privileged: env[OUTSIDE_UID] === '0' };
  enter({ argv, env: { ...env, [OUTSIDE_UID]: String(process.geteuid?.()) } });
  throw new InternalError('the process is still in the namespaces where it was started');
}
