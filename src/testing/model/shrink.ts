/**
 * Leaves out what does not matter: removes ever smaller pieces of a list as long as `fails` says
 * that what is left still does. Ends early at `until` (milliseconds since 1970).
 */
export async function shrink<T>(
  items: readonly T[],
  fails: (items: readonly T[]) => Promise<boolean>,
  until: number,
): Promise<readonly T[]> {
  let left = items;
  for (let size = Math.ceil(left.length / 2); size >= 1; size = size === 1 ? 0 : size >> 1) {
    for (let again = true; again;) {
      again = false;
      for (let at = left.length - size; at > -size && Date.now() < until; at -= size) {
        const candidate = [...left.slice(0, Math.max(0, at)), ...left.slice(at + size)];
        if (candidate.length === left.length || !(await fails(candidate))) continue;
        left = candidate;
        again = size === 1;
      }
    }
  }
  return left;
}
