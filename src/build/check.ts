import type { BuildfileWarning } from '../dockerfile/ast.js';
import { parseBuildfile } from '../dockerfile/buildfile.js';
import type { LintResult } from '../lint/lint.js';
import { listTargets, type Outline, outlineOf, type TargetInfo } from '../lint/outline.js';
import { hostPlatform } from '../oci/platform.js';
import { builtinWarnings, ignoreRules, lintBuild } from './lint-build.js';
import type { IgnoreMatcher } from '../dockerfile/ignore.js';
import type { Store } from '../store/store.js';
import { Cleanup } from '../util/cleanup.js';
import type { BuildDeps, BuildOptions, ReadOptions } from './options.js';
import { planBuild } from './plan.js';
import { choosePlatform, platformArgs } from './platform-args.js';
import { Progress } from './progress.js';
import { SecretStore } from './secrets.js';
import { loadContext } from './sources/load-context.js';
import { NamedContexts } from './sources/named-contexts.js';
import { openSources } from './sources/open-sources.js';

/** What positions call a Buildfile that came from standard input. */
const STDIN_NAME = '-';

/** The part of a build's options that a look at its Buildfile takes. */
export type CheckOptions = Pick<
  ReadOptions,
  'context' | 'buildfile' | 'buildArgs' | 'target' | 'platform' | 'pull' | 'namedContexts'
> & {
  /** Of the context. */
  readonly ignore: IgnoreMatcher | undefined;
};

/** What reading the context and the Buildfile takes. */
export type UnreadOptions = Omit<CheckOptions, 'buildfile' | 'ignore'> &
  Pick<BuildOptions, 'buildfile' | 'ignoreFile' | 'noCache' | 'runs'>;

/** Reads the Buildfile and the ignore file, of a context from elsewhere too. */
export async function readCheckOptions(
  options: UnreadOptions,
  deps: Pick<BuildDeps, 'signal' | 'stdin' | 'env'> & { readonly store: Store },
): Promise<CheckOptions> {
  const { signal, store, stdin, env = process.env } = deps;
  await using cleanup = new Cleanup();
  const progress = new Progress(() => undefined, signal);
  const secrets = new SecretStore(options.runs?.secrets ?? []);
  const sources = openSources({ options, store, progress, signal, secrets, env, cleanup });
  const { name, buildfile, files } = await loadContext(options, { sources, stdin, cleanup });
  return { ...options, context: name, buildfile, ignore: files.ignore };
}

/** What the checks find, and what a build warns of besides. */
export interface CheckResult extends LintResult {
  /** Of the form of the file: they have no rule, and cannot be skipped. */
  readonly formWarnings: readonly BuildfileWarning[];
  /** Of build arguments. */
  readonly notes: readonly { readonly message: string; readonly hint: string }[];
}

/**
 * Checks a Buildfile and builds nothing: all stages, or with a target those that it needs. Throws
 * UserError for what a build would refuse before its first step.
 */
export async function checkBuild(
  options: CheckOptions,
  { store, registry, signal }: Pick<BuildDeps, 'store' | 'registry' | 'signal'>,
): Promise<CheckResult> {
  const { buildfile, predefined, platform } = read(options);
  const { target, buildArgs, pull } = options;
  const contexts = new NamedContexts(options.namedContexts ?? {});
  const plan = planBuild(buildfile, { target, buildArgs, predefined, contexts });
  const ignore = ignoreRules(options.ignore);
  const inputs = {
    buildArgs,
    predefined,
    ignore,
    ...(target !== undefined && { stages: plan.needed }),
  };
  const build = { buildfile, plan, inputs, platform, pull, store, registry, signal };
  const result = await lintBuild(build);
  return { ...result, formWarnings: buildfile.warnings, notes: builtinWarnings(buildArgs) };
}

/** What a target takes: arguments, secrets, keys. */
export function outlineBuild(options: CheckOptions): Outline {
  const { buildfile, predefined } = read(options);
  const { target, buildArgs } = options;
  return outlineOf(buildfile, { target, buildArgs, predefined });
}

/** The stages that can be built. */
export function targetsOf(options: CheckOptions): TargetInfo[] {
  return listTargets(read(options).buildfile);
}

function read({ buildfile: input, target, buildArgs, platform: requested }: CheckOptions): {
  buildfile: ReturnType<typeof parseBuildfile>;
  predefined: Record<string, string>;
  platform: ReturnType<typeof hostPlatform>;
} {
  const host = hostPlatform();
  const platform = choosePlatform(requested, host);
  const buildfile = parseBuildfile(input.text, input.path ?? STDIN_NAME);
  const name = target ?? buildfile.stages.at(-1)?.name;
  const predefined = platformArgs({ target: platform, build: host }, name, buildArgs);
  return { buildfile, predefined, platform };
}
