import { endianness } from 'node:os';
import { UserError } from '../util/errors.js';
import * as v from 'valibot';
import type { Schema } from './json.js';
import { wireObject } from './json.js';

/** What an image runs on, in Go's words (GOOS, GOARCH). */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

export const platformSchema: Schema<Platform> = wireObject({
  os: v.string(),
  architecture: v.string(),
  variant: v.exactOptional(v.string()),
});

/** Other names of architectures: uname's, Debian's, with the variant they imply. */
const ALIASES: Readonly<Record<string, readonly [architecture: string, variant?: string]>> = {
  x86_64: ['amd64'],
  'x86-64': ['amd64'],
  i386: ['386'],
  i486: ['386'],
  i586: ['386'],
  i686: ['386'],
  aarch64: ['arm64'],
  armhf: ['arm', 'v7'],
  armv7l: ['arm', 'v7'],
  armel: ['arm', 'v6'],
  armv6l: ['arm', 'v6'],
  ppc64el: ['ppc64le'],
};

/** What an absent variant means. */
const DEFAULT_VARIANT: Readonly<Record<string, string>> = { amd64: 'v1', arm: 'v7', arm64: 'v8' };

/** `process.arch` in Go's words, where they differ. */
const NODE_ARCH: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: '386',
  ppc64: endianness() === 'LE' ? 'ppc64le' : 'ppc64',
  mipsel: 'mipsle',
};

const WORD = /^[A-Za-z0-9_.-]+$/;

/**
 * One spelling of a platform: lower case, aliases resolved, the implied variant written out for
 * arm and arm64 (`linux/arm64/v8`) and left out for amd64.
 */
export function normalisePlatform(platform: Platform): Platform {
  const os = platform.os.toLowerCase();
  const given = platform.architecture.toLowerCase();
  const [architecture, implied] = (Object.hasOwn(ALIASES, given) && ALIASES[given]) || [given];
  const number = /^v?(\d+)$/.exec((platform.variant ?? '').toLowerCase())?.[1];
  const named = number === undefined ? platform.variant : `v${number}`;
  const variant = named || implied || DEFAULT_VARIANT[architecture];
  const silent = variant === undefined || (architecture === 'amd64' && variant === 'v1');
  return silent ? { os, architecture } : { os, architecture, variant };
}

/** The platform as BuildKit and image configs have it: arm64 without its only variant, v8. */
export function shortPlatform(platform: Platform): Platform {
  const { os, architecture, variant } = platform;
  return architecture === 'arm64' && variant === 'v8' ? { os, architecture } : platform;
}

/** Parses `os/arch[/variant]`, or `arch[/variant]` of linux; UserError TSB_USAGE. */
export function parsePlatform(text: string): Platform {
  const words = text.split('/');
  const [first = '', second, third] = words;
  const valid = words.length <= 3 && words.every((word) => WORD.test(word));
  const bare = second === undefined || /^v\d+$/.test(second);
  if (!valid || (bare && (first === 'linux' || third !== undefined))) {
    throw new UserError(
      'TSB_USAGE',
      `Cannot parse platform ${JSON.stringify(text)}: want os/architecture[/variant]`,
      { hint: 'for example linux/amd64 or linux/arm64' },
    );
  }
  const [os, architecture, variant] = bare ? ['linux', first, second] : [first, second, third];
  return normalisePlatform({ os, architecture, ...(variant !== undefined && { variant }) });
}

/** `linux/arm64/v8`. */
export function formatPlatform({ os, architecture, variant }: Platform): string {
  return [os, architecture, variant].filter(Boolean).join('/');
}

/** The platform of this machine; the system is always linux. */
export function hostPlatform(): Platform {
  const architecture = NODE_ARCH[process.arch] ?? process.arch;
  const variables: Record<string, unknown> = { ...process.config.variables };
  const armVersion = Number(variables['arm_version']);
  const variant = architecture === 'arm' && armVersion > 0 ? { variant: `v${armVersion}` } : {};
  return normalisePlatform({ os: 'linux', architecture, ...variant });
}

/**
 * How well an image for `have` serves `want`: undefined = not at all, else the higher the better.
 * An older variant serves (arm/v6 on arm/v7), a newer one does not.
 */
export function findPlatformRank(have: Platform, want: Platform): number | undefined {
  const a = normalisePlatform(have);
  const b = normalisePlatform(want);
  if (a.os !== b.os || a.architecture !== b.architecture) return undefined;
  if (a.variant === b.variant) return Number.MAX_SAFE_INTEGER;
  const haveNumber = variantNumber(a);
  const wantNumber = variantNumber(b);
  if (haveNumber === undefined || wantNumber === undefined) return undefined;
  return haveNumber <= wantNumber ? haveNumber : undefined;
}

/** Whether an image for `have` runs on `want`. */
export function platformMatches(have: Platform, want: Platform): boolean {
  return findPlatformRank(have, want) !== undefined;
}

function variantNumber({ architecture, variant }: Platform): number | undefined {
  const text = variant ?? DEFAULT_VARIANT[architecture];
  return text !== undefined && /^v\d+$/.test(text) ? Number(text.slice(1)) : undefined;
}
