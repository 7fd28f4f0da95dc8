/*
 * Which checks count: `skip=A,B;experimental=C;error=true`, `all` for every one. Given by the
 * directive `# check=`, by the build argument BUILDKIT_DOCKERFILE_CHECK, or (skip and
 * experimental) by a comment right above an instruction. What follows a blank is a remark:
 * `# check=skip=all // it is a test`.
 */
import { parseDirective } from '../dockerfile/directives.js';
import { UserError } from '../util/errors.js';
import { suggest } from '../util/suggest.js';
import { isExperimental, isLintRule, LINT_RULES, type LintRuleName } from './rules.js';

/** Names of checks, or every one. */
type RuleSet = 'all' | readonly string[];

export interface CheckOptions {
  readonly skip: RuleSet;
  readonly experimental: RuleSet;
  /** What a check finds ends the build. */
  readonly error: boolean;
}

const NONE: CheckOptions = { skip: [], experimental: [], error: false };
const TRUE = ['1', 't', 'T', 'TRUE', 'true', 'True'];
const FALSE = ['0', 'f', 'F', 'FALSE', 'false', 'False'];
const USAGE = 'Write for example check=skip=JSONArgsRecommended;error=true';

/** Parses check options. Throws TSB_PARSE without a position. */
export function parseCheckOptions(text: string): CheckOptions {
  const options = { ...NONE };
  const word = text.trim().split(' ')[0] ?? '';
  if (word === '') return options;
  for (const part of word.split(';')) {
    const equals = part.indexOf('=');
    const key = part.slice(0, Math.max(0, equals)).trim();
    const value = part.slice(equals + 1).trim();
    if (key === 'skip' || key === 'experimental') options[key] = parseRules(value);
    else if (key === 'error') options.error = parseError(value);
    else throw invalid(part, `want skip, experimental or error`);
  }
  return options;
}

/** A name that no rule has. */
export interface UnknownRule {
  readonly message: string;
  readonly hint: string;
}

/** What to say of names that no rule has. */
export function unknownRules({ skip, experimental }: CheckOptions): UnknownRule[] {
  const names = [skip, experimental].flatMap((set) => (set === 'all' ? [] : set));
  return names
    .filter((name) => !isLintRule(name))
    .map((name) => {
      const near = suggest(name, Object.keys(LINT_RULES));
      return {
        message: `The check options name "${name}", which is no check`,
        hint: near === undefined ? 'docs/language.md lists the checks' : `Did you mean ${near}?`,
      };
    });
}

/** The options with those of an instruction's comments, of which the first `check=` counts. */
export function withComments(options: CheckOptions, comments: readonly string[]): CheckOptions {
  const found = comments
    .map((comment) => parseDirective(comment, ''))
    .find((directive) => directive?.name === 'check');
  if (found === undefined) return options;
  const { skip, experimental } = parseCommentOptions(found.value);
  return {
    ...options,
    skip: union(options.skip, skip),
    experimental: union(options.experimental, experimental),
  };
}

/** Whether a check counts. */
export function isActive(options: CheckOptions, name: LintRuleName): boolean {
  const has = (set: RuleSet): boolean => set === 'all' || set.includes(name);
  return isExperimental(name) ? has(options.experimental) : !has(options.skip);
}

/** A comment may look like options by chance: then it is a comment. */
function parseCommentOptions(text: string): CheckOptions {
  try {
    return parseCheckOptions(text);
  } catch (error) {
    if (error instanceof UserError) return NONE;
    throw error;
  }
}

function union(a: RuleSet, b: RuleSet): RuleSet {
  return a === 'all' || b === 'all' ? 'all' : [...a, ...b];
}

function parseRules(text: string): RuleSet {
  return text === 'all' ? 'all' : text.split(',').map((name) => name.trim());
}

function parseError(text: string): boolean {
  if (TRUE.includes(text)) return true;
  if (FALSE.includes(text)) return false;
  throw invalid(`error=${text}`, 'want error=true or error=false');
}

function invalid(found: string, want: string): UserError {
  return new UserError('TSB_PARSE', `Cannot parse check options: found "${found}", ${want}`, {
    hint: USAGE,
  });
}
