import { formatPlatform, parsePlatform, shortPlatform } from '../oci/platform.js';
import type { Platform } from '../oci/platform.js';
import { UserError } from '../util/errors.js';

/**
 * The platform to build for; without a request the host's. UserError TSB_UNSUPPORTED for another
 * system than Linux, and for several platforms at once.
 */
export function choosePlatform(requested: string | undefined, host: Platform): Platform {
  if (requested === undefined) return host;
  if (requested.includes(',')) {
    const message = `Cannot build for "${requested}": want one platform`;
    throw new UserError('TSB_UNSUPPORTED', message, {
      hint: 'Ask for one platform at a time',
    });
  }
  const platform = parsePlatform(requested);
  if (platform.os === host.os) return platform;
  const found = formatPlatform(platform);
  throw new UserError('TSB_UNSUPPORTED', `Cannot build for "${found}": want a ${host.os} platform`);
}

/**
 * The predefined platform arguments; `targetStage`: the name of the stage to build, if it has
 * one. A build argument of the same name takes the place of each.
 */
export function platformArgs(
  platforms: { target: Platform; build: Platform },
  targetStage: string | undefined,
  buildArgs: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const [target, build] = [shortPlatform(platforms.target), shortPlatform(platforms.build)];
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
