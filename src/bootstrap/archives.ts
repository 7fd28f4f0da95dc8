import type { AptSource } from './apt-sources.js';
import { type Distribution, DISTRIBUTIONS, knownSuites } from './distribution.js';

/** Debian's own mirror network: for hosts that are no Debian. */
const DEFAULT_MIRROR = 'http://deb.debian.org/debian';
const DEFAULT_SECURITY_MIRROR = 'http://deb.debian.org/debian-security';
/** The last release whose security suite was called `<suite>/updates`. */
const OLD_SECURITY_NAMES: readonly string[] = ['jessie', 'stretch', 'buster'];

/** The archives that an image is made of, and that its own apt will use. The first has the suite. */
export type Archives = readonly [main: AptSource, ...others: AptSource[]];

export interface ArchiveChoice {
  readonly distribution: Distribution;
  /** `--mirror`: this archive and nothing else. */
  readonly mirror: string | undefined;
  /** What the host's apt uses. */
  readonly hostSources: readonly AptSource[];
}

/**
 * Chooses where the packages come from: the mirror given; else the one that the host's apt uses
 * for Debian of any suite, with updates and security if the host has them; else Debian's own.
 */
export function chooseArchives({ distribution, mirror, hostSources }: ArchiveChoice): Archives {
  const { name, suite } = distribution;
  const { components, rolling } = DISTRIBUTIONS[name];
  if (mirror !== undefined) return [{ uris: [mirror], suites: [suite], components }];
  const host = hostMirrors(hostSources);
  const suites = [suite];
  if (rolling.includes(suite)) return [{ uris: [host.main], suites, components }];
  if (host.hasUpdates) suites.push(`${suite}-updates`);
  const main: AptSource = { uris: [host.main], suites, components };
  if (host.security === undefined) return [main];
  const securitySuite = OLD_SECURITY_NAMES.includes(suite)
    ? `${suite}/updates`
    : `${suite}-security`;
  return [main, { uris: [host.security], suites: [securitySuite], components }];
}

interface HostMirrors {
  readonly main: string;
  readonly hasUpdates: boolean;
  readonly security: string | undefined;
}

function hostMirrors(sources: readonly AptSource[]): HostMirrors {
  const ofDebian = sources.filter(isDebian);
  const find = (wanted: RegExp): string | undefined =>
    ofDebian
      .filter(({ suites }) => suites.some((suite) => isSuite(suite, wanted)))
      .flatMap(({ uris }) => uris)
      .find(isUsable);
  const main = find(/^$/);
  if (main === undefined) {
    return { main: DEFAULT_MIRROR, hasUpdates: true, security: DEFAULT_SECURITY_MIRROR };
  }
  return {
    main,
    hasUpdates: find(/^-updates$/) !== undefined,
    security: find(/^(-security|\/updates)$/),
  };
}

/** Whether a suite is a known one followed by what `ending` matches. */
function isSuite(suite: string, ending: RegExp): boolean {
  return knownSuites('debian').some(
    (known) => suite.startsWith(known) && ending.test(suite.slice(known.length)),
  );
}

/** Others have suites of Debian's names, too: their keys or paths give them away. */
function isDebian({ components, signedBy, uris }: AptSource): boolean {
  if (!components.includes('main')) return false;
  if (signedBy?.includes('debian-archive-keyring') === true) return true;
  return uris.some((uri) => /\/debian(-security)?(\/\d{8}T\d{6}Z)?\/?$/.test(uri));
}

/** An image can use it, and it gives away no password. */
function isUsable(uri: string): boolean {
  return /^https?:\/\/[^/@]+(\/|$)/.test(uri);
}
