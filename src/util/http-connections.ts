import { Agent, EnvHttpProxyAgent, type Dispatcher } from 'undici';
import { UserError } from './errors.js';

/**
 * Connections for HTTP, through the proxies that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name; never
 * through one to a loopback host. Kept until disposal, which cuts what is still under way.
 */
export class HttpConnections implements AsyncDisposable {
  readonly #connectTimeoutMs: number;
  #proxied: Dispatcher | undefined;
  #direct: Dispatcher | undefined;

  constructor({ connectTimeoutMs }: { readonly connectTimeoutMs: number }) {
    this.#connectTimeoutMs = connectTimeoutMs;
  }

  /** Where requests to a URL go; borrowed. Throws UserError TSB_NETWORK. */
  for(url: URL): Dispatcher {
    const options = { connect: { timeout: this.#connectTimeoutMs } };
    if (isLoopback(url)) return (this.#direct ??= new Agent(options));
    try {
      return (this.#proxied ??= new EnvHttpProxyAgent(options));
    } catch {
      // No cause: it would hold the proxy's password.
      throw new UserError('TSB_NETWORK', 'Cannot use the proxy: its address is not a URL', {
        hint: 'check HTTP_PROXY, HTTPS_PROXY and NO_PROXY',
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#proxied?.destroy(), this.#direct?.destroy()]);
  }
}

function isLoopback({ hostname }: URL): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d+){3}$/.test(hostname);
}
