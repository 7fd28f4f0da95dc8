import { parseBuildfile } from '../dockerfile/buildfile.js';
import type { LintResult } from '../lint/lint.js';
import { listTargets, type Outline, outlineOf, type TargetInfo } from '../lint/outline.js';
import { hostPlatform } from '../oci/platform.js';
import { findIgnore } from './context.js';
import { ignoreRules, lintBuild } from './lint-build.js';
import type { BuildDeps, BuildOptions } from './options.js';
import { planBuild } from './plan.js';
import { choosePlatform, platformArgs } from './platform-args.js';

/** What positions call a Buildfile that came from standard input. */
const STDIN_NAME = '-';

/** The part of a build's options that a look at its Buildfile takes. */
export type CheckOptions = Pick<
  BuildOptions,
  'context' | 'buildfile' | 'buildArgs' | 'target' | 'platform' | 'pull'
>;

/**
 * Checks a Buildfile and builds nothing: all stages, or with a target those that it needs. Throws
 * UserError for what a build would refuse before its first step.
 */
export async function checkBuild(
  options: CheckOptions,
  { store, registry, signal }: Pick<BuildDeps, 'store' | 'registry' | 'signal'>,
): Promise<LintResult> {
  const { buildfile, predefined, platform } = read(options);
  const { target, buildArgs, pull, context } = options;
  const plan = planBuild(buildfile, { target, buildArgs, predefined });
  const ignore = ignoreRules(findIgnore(context, options.buildfile.path));
  const inputs = {
    buildArgs,
    predefined,
    ignore,
    ...(target !== undefined && { stages: plan.needed }),
  };
  return await lintBuild({ buildfile, plan, inputs, platform, pull, store, registry, signal });
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
