import { PLAIN, type Style } from '../style.js';
import type { ProgressModel } from './model.js';

/** What the steps that failed had written last, for renderers that have not shown it. */
export function failureReport(model: ProgressModel, style: Style = PLAIN): string[] {
  const failed = [...model.vertices.values()].filter(
    ({ state, tail }) => state === 'failed' && tail.length > 0,
  );
  return failed.flatMap(({ name, tail }) => [
    style.dim(`--- last output of ${name}`),
    ...tail,
    style.dim('---'),
  ]);
}
