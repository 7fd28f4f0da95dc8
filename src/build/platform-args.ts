import { findPlatformRank, formatPlatform, parsePlatform } from '../oci/platform.js';
import type { Platform } from '../oci/platform.js';
import { UserError } from '../util/errors.js';

/** The platform to build for: only the host's own. UserError TSB_UNSUPPORTED for another. */
export function choosePlatform(requested: string | undefined, host: Platform): Platform {
  if (requested === undefined) return host;
  const platform = parsePlatform(requested);
  if (findPlatformRank(platform, host) !== undefined) return platform;
  const [found, want] = [formatPlatform(platform), formatPlatform(host)];
  throw new UserError('TSB_UNSUPPORTED', `Cannot build for "${found}": want "${want}"`, {
    hint: 'Build on a machine of that platform',
  });
}

/**
 * The predefined platform arguments; `targetStage`: the name of the stage to build, if it has
 * one. A build argument of the same name takes the place of each.
 */
export function platformArgs(
  { target, build }: { target: Platform; build: Platform },
  targetStage: string | undefined,
  buildArgs: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const predefined = {
    TARGETPLATFORM: formatPlatform(target),
    TARGETOS: target.os,
    TARGETOSVERSION: '',
    TARGETARCH: target.architecture,
    TARGETVARIANT: target.variant ?? '',
    BUILDPLATFORM: formatPlatform(build),
    BUILDOS: build.os,
    BUILDOSVERSION: '',
    BUILDARCH: build.architecture,
    BUILDVARIANT: build.variant ?? '',
    TARGETSTAGE: targetStage ?? 'default',
  };
  const given = Object.entries(buildArgs).filter(([name]) => Object.hasOwn(predefined, name));
  return { ...predefined, ...Object.fromEntries(given) };
}
