import type { Stage } from '../dockerfile/ast.js';
import { findStage } from '../dockerfile/buildfile.js';
import { UserError } from '../util/errors.js';
import { suggest } from '../util/suggest.js';
import type { BuildOptions } from './options.js';

/** The stages whose steps are carried out again, by index. TSB_USAGE for one that is not there. */
export function findUncached(
  stages: readonly Stage[],
  { noCache, noCacheFilter = [] }: Pick<BuildOptions, 'noCache' | 'noCacheFilter'>,
): ReadonlySet<number> {
  if (noCache) return new Set(stages.map(({ index }) => index));
  return new Set(noCacheFilter.map((word) => indexOf(stages, word)));
}

function indexOf(stages: readonly Stage[], word: string): number {
  const stage = findStage(stages, word, stages.length);
  if (stage !== undefined) return stage.index;
  const near = suggest(
    word,
    stages.flatMap(({ name }) => name ?? []),
  );
  throw new UserError('TSB_USAGE', `Cannot find stage "${word}" for --no-cache-filter`, {
    ...(near !== undefined && { hint: `Did you mean "${near}"?` }),
  });
}
