import { formatFamiliar, type Reference } from '../oci/reference.js';
import { UserError } from '../util/errors.js';
import { suggest } from '../util/suggest.js';

/** What can be bootstrapped from a mirror of its own. */
export type DistributionName = 'debian' | 'ubuntu';

/** A distribution in one of its suites. */
export interface Distribution {
  readonly name: DistributionName;
  /** As the mirror calls it: `bookworm`, `sid`. */
  readonly suite: string;
}

interface Facts {
  /** Version number → suite. */
  readonly numbers: Readonly<Record<string, string>>;
  /** Further names of suites. */
  readonly aliases: readonly string[];
  /** Suites that have neither updates nor security. */
  readonly rolling: readonly string[];
  readonly components: readonly string[];
}

export const DISTRIBUTIONS: Readonly<Record<DistributionName, Facts>> = {
  debian: {
    numbers: {
      8: 'jessie',
      9: 'stretch',
      10: 'buster',
      11: 'bullseye',
      12: 'bookworm',
      13: 'trixie',
      14: 'forky',
      15: 'duke',
    },
    aliases: ['stable', 'oldstable', 'oldoldstable', 'testing', 'unstable', 'sid'],
    rolling: ['unstable', 'sid'],
    components: ['main'],
  },
  ubuntu: {
    numbers: { '20.04': 'focal', '22.04': 'jammy', '24.04': 'noble', '26.04': 'resolute' },
    aliases: [],
    rolling: [],
    components: ['main', 'universe'],
  },
};

/** All suites of a distribution that are known by name. */
export function knownSuites(name: DistributionName): string[] {
  return [...Object.values(DISTRIBUTIONS[name].numbers), ...DISTRIBUTIONS[name].aliases];
}

/**
 * Takes an image's name as a distribution and its suite: `debian:bookworm`, `debian:12`. With a
 * mirror of the user's own, any suite goes, and Ubuntu as well. Throws TSB_BOOTSTRAP.
 */
export function parseDistribution(
  reference: Reference,
  { hasMirror }: { readonly hasMirror: boolean },
): Distribution {
  const shown = formatFamiliar(reference);
  const name = distributionOf(reference, shown);
  if (name === 'ubuntu' && !hasMirror) {
    throw refuse(
      shown,
      'it is not in a Debian mirror',
      `--mirror http://archive.ubuntu.com/ubuntu`,
    );
  }
  const { tag } = reference;
  if (tag === undefined) throw refuse(shown, 'it names no suite', `Write ${name}:bookworm`);
  const { numbers } = DISTRIBUTIONS[name];
  const suite = (Object.hasOwn(numbers, tag) ? numbers[tag] : undefined) ?? tag;
  const known = knownSuites(name);
  if (known.includes(suite) || (hasMirror && /^[a-z][a-z0-9-]*$/.test(suite))) {
    return { name, suite };
  }
  const near = suggest(suite, known);
  throw refuse(
    shown,
    `there is no suite "${suite}"`,
    near === undefined ? `Write one of ${known.join(', ')}` : `Did you mean ${name}:${near}?`,
  );
}

function distributionOf({ domain, path }: Reference, shown: string): DistributionName {
  if (domain === 'docker.io' && path === 'library/debian') return 'debian';
  if (domain === 'docker.io' && path === 'library/ubuntu') return 'ubuntu';
  throw refuse(shown, 'it is not a distribution', 'Write debian:SUITE, and --tag for another name');
}

function refuse(shown: string, found: string, hint: string): UserError {
  return new UserError('TSB_BOOTSTRAP', `Cannot bootstrap "${shown}": ${found}`, { hint });
}
