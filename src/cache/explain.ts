import type { PartDigests } from './key.js';

/** What the reader calls a part that changed. */
const MEANINGS: Readonly<Record<string, string>> = {
  parent: 'an earlier step changed',
  instruction: 'the instruction changed',
  env: 'the environment changed',
  args: 'a build argument changed',
  user: 'the user changed',
  workdir: 'the working directory changed',
  network: 'the network mode changed',
  hostname: 'the host name changed',
  security: 'the security mode changed',
  mounts: 'what is mounted changed',
  hosts: 'the names of --add-host changed',
  ulimits: 'a limit of --ulimit changed',
  shm: 'the size of /dev/shm changed',
  epoch: 'SOURCE_DATE_EPOCH changed',
  content: 'what is copied changed',
  owner: 'the ids of --chown changed',
};

/** The reason that is none: the first build of a step. */
export const NEVER_BUILT = 'the step was not built before';

/** The reason where a secret was left in the layer with the caller's leave. */
export const SECRET_NOT_ALLOWED = 'the secret in its layer is not allowed';

/**
 * Why a step with the inputs `now` was not found, when the step at the same place was last
 * carried out with `before`. The first changed part in the order of `now` is the reason.
 */
export function explainMiss(now: PartDigests, before: PartDigests | undefined): string {
  if (before === undefined) return NEVER_BUILT;
  for (const [name, digest] of Object.entries(now)) {
    if (before[name] !== digest) return MEANINGS[name] ?? `${name} changed`;
  }
  return 'the layer is no longer in the store';
}
