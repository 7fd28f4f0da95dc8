import type { Annotation, AnnotationTarget } from '../../src/build/options.js';
import { UserError } from '../../src/util/errors.js';

/** `manifest,index[linux/arm64]:` before the pair. A key may have colons of its own. */
const TYPES = /^((?:[a-z-]+(?:\[[^\]]*\])?,)*[a-z-]+(?:\[[^\]]*\])?):/;
const TYPE = /^([a-z-]+)(?:\[([^\]]*)\])?$/;
const TARGETS: readonly AnnotationTarget[] = [
  ...(['manifest', 'manifest-descriptor', 'index', 'index-descriptor'] as const),
];

/**
 * Parses the values of `--annotation`, in buildx's form `[TYPE[PLATFORM],…:]KEY=VALUE`. UserError
 * TSB_USAGE.
 */
export function parseAnnotations(words: readonly string[]): Annotation[] {
  return words.flatMap((word) => parseAnnotation(word));
}

function parseAnnotation(word: string): Annotation[] {
  const equals = word.indexOf('=');
  const prefix = TYPES.exec(word.slice(0, Math.max(0, equals)))?.[1];
  const key = word.slice(prefix === undefined ? 0 : prefix.length + 1, Math.max(0, equals));
  if (key === '') throw refuse(word, 'want [TYPE:]KEY=VALUE');
  const value = word.slice(equals + 1);
  return (prefix ?? 'manifest').split(',').map((text) => {
    const [, type = '', platform] = TYPE.exec(text) ?? [];
    const target = TARGETS.find((known) => known === type);
    if (target === undefined) {
      throw refuse(word, `found type ${type}, want ${TARGETS.join(', ')}`);
    }
    return { target, key, value, ...(platform !== undefined && { platform }) };
  });
}

function refuse(word: string, found: string): UserError {
  return new UserError('TSB_USAGE', `Cannot use --annotation "${word}": ${found}`);
}
