import { UserError } from '../util/errors.js';
import { RegistryError } from './registry-error.js';

/** Where docker.io's API is. */
const DOCKER_IO_HOST = 'registry-1.docker.io';

/** Decides between https and plain http, which is for the listed hosts and for nobody else. */
export class Origins {
  #insecure: ReadonlySet<string>;

  /** `insecureRegistries`: `host[:port]`, reached by plain http. */
  constructor(insecureRegistries: readonly string[]) {
    // As written, and as a URL has it: without the port that is http's own.
    this.#insecure = new Set(
      insecureRegistries.flatMap((host) => [host.toLowerCase(), new URL(`http://${host}`).host]),
    );
  }

  /** The root of a registry's API. Never falls back from one scheme to the other. */
  baseUrl(domain: string): URL {
    const scheme = this.#insecure.has(domain.toLowerCase()) ? 'http' : 'https';
    return new URL(`${scheme}://${domain === 'docker.io' ? DOCKER_IO_HOST : domain}/v2/`);
  }

  /**
   * The URL that a registry sends us to (redirect, upload location, token server), relative to
   * `base`; RegistryError if it would leave https for a host that is not listed.
   */
  follow(location: string, base: URL, what: string): URL {
    const url = URL.canParse(location, base.href) ? new URL(location, base) : undefined;
    if (url === undefined) {
      throw new RegistryError('TSB_REGISTRY', `Cannot ${what}: sent to a place that is no URL`);
    }
    if (url.protocol === 'https:') return url;
    const isListed = url.protocol === 'http:' && this.#insecure.has(url.host);
    if (isListed) return url;
    const place = `${url.protocol}//${url.host}`;
    throw new RegistryError('TSB_REGISTRY', `Cannot ${what}: sent to ${place}, want https`, {
      ...(url.protocol === 'http:' && {
        hint: `if you trust the network: add ${url.host} to TSBUILD_INSECURE_REGISTRIES`,
      }),
    });
  }
}

/** Parses `host[:port],…`, the list of registries that speak plain http; UserError TSB_USAGE. */
export function parseHosts(text: string | undefined): string[] {
  const hosts = (text ?? '')
    .split(',')
    .map((host) => host.trim())
    .filter(Boolean);
  for (const host of hosts) {
    if (URL.canParse(`http://${host}`) && !/[/?#@\\]/.test(host)) continue;
    throw new UserError(
      'TSB_USAGE',
      `Cannot use registry ${JSON.stringify(host)}: want host[:port]`,
      {
        hint: 'for example TSBUILD_INSECURE_REGISTRIES=localhost:5000,10.0.0.7',
      },
    );
  }
  return hosts;
}
