import * as v from 'valibot';
import type { Challenge } from './challenge.js';
import { parseChallenges } from './challenge.js';
import type { Credential, FindCredential } from './credentials.js';
import type { Http, HttpRequest, HttpResponse } from './http.js';
import { readAll } from './http.js';
import type { RegistryLimits } from './limits.js';
import type { Origins } from './origin.js';
import { RegistryError, parseDiagnostics, refusalError } from './registry-error.js';
import { parseRetryAfter } from './retry.js';

/** Who asks whom for what. */
export interface Claim {
  readonly domain: string;
  /** `repository:library/debian:pull`, … */
  readonly scopes: readonly string[];
  readonly what: string;
  readonly signal: AbortSignal | undefined;
}

interface Token {
  readonly value: string;
  readonly expiresAtMs: number;
}

/** What a token server that does not say gives, by the specification. */
const DEFAULT_LIFETIME_SEC = 60;
/** A token is renewed that much earlier than it ends, a short one at half of its life. */
const RENEWAL_MARGIN_MS = 10_000;
const CLIENT_ID = 'tsbuild';

const tokenSchema = v.pipe(
  v.string(),
  v.parseJson(),
  v.looseObject({
    token: v.nullish(v.string()),
    access_token: v.nullish(v.string()),
    expires_in: v.nullish(v.number()),
  }),
);

/**
 * Finds the Authorization for requests. A registry is asked without, at first; what it answers
 * then (RFC 9110, distribution's token specification) is remembered for it, tokens by scope.
 */
export class Authenticator {
  #http: Http;
  #origins: Origins;
  #limits: RegistryLimits;
  #findCredential: FindCredential | undefined;
  #userAgent: string;
  #challenges = new Map<string, Challenge>();
  #credentials = new Map<string, Promise<Credential | undefined>>();
  #tokens = new Map<string, Promise<Token>>();

  constructor(options: {
    http: Http;
    origins: Origins;
    limits: RegistryLimits;
    userAgent: string;
    findCredential: FindCredential | undefined;
  }) {
    this.#http = options.http;
    this.#origins = options.origins;
    this.#limits = options.limits;
    this.#userAgent = options.userAgent;
    this.#findCredential = options.findCredential;
  }

  /** The header's value for a request, from what the registry has asked for until now. */
  async findAuthorization(claim: Claim): Promise<string | undefined> {
    const challenge = this.#challenges.get(claim.domain);
    if (challenge === undefined) return undefined;
    const credential = await this.#credential(claim);
    if (credential?.kind === 'bearer') return `Bearer ${credential.token}`;
    if (challenge.scheme === 'bearer')
      return `Bearer ${await this.#token(claim, challenge, credential)}`;
    return credential?.kind === 'basic' ? basic(credential) : undefined;
  }

  /**
   * Takes note of a 401. Returns whether asking again makes sense: there is something to send
   * that was not refused yet.
   */
  async challenged(
    claim: Claim,
    response: HttpResponse,
    used: string | undefined,
  ): Promise<boolean> {
    const challenges = parseChallenges(response.headers['www-authenticate']);
    const challenge =
      challenges.find(({ scheme }) => scheme === 'bearer') ??
      challenges.find(({ scheme }) => scheme === 'basic');
    if (challenge === undefined) return false;
    this.#challenges.set(claim.domain, challenge);
    if (used?.startsWith('Bearer ') === true) this.#tokens.delete(keyOf(claim));
    const next = await this.findAuthorization(claim);
    return next !== undefined && next !== used;
  }

  #credential({ domain, signal }: Claim): Promise<Credential | undefined> {
    const known = this.#credentials.get(domain);
    if (known !== undefined) return known;
    const found = this.#findCredential?.(domain, signal) ?? Promise.resolve(undefined);
    return remember(this.#credentials, domain, found);
  }

  async #token(
    claim: Claim,
    challenge: Challenge,
    credential: Credential | undefined,
  ): Promise<string> {
    const key = keyOf(claim);
    for (;;) {
      const shared = this.#tokens.get(key);
      if (shared === undefined) {
        const fetched = remember(this.#tokens, key, this.#fetchToken(claim, challenge, credential));
        return (await fetched).value;
      }
      // Its failure is for the one who asked first, and may be that one's signal: ask ourselves.
      const token = await shared.catch(() => undefined);
      claim.signal?.throwIfAborted();
      if (token !== undefined && token.expiresAtMs > Date.now()) return token.value;
      if (this.#tokens.get(key) === shared) this.#tokens.delete(key);
    }
  }

  async #fetchToken(
    claim: Claim,
    challenge: Challenge,
    credential: Credential | undefined,
  ): Promise<Token> {
    const what = `get a token to ${claim.what}`;
    const request = this.#tokenRequest(claim, challenge, credential, what);
    const askedAtMs = Date.now();
    const response = await this.#http.send(request);
    const tooLong = (): RegistryError =>
      new RegistryError(
        'TSB_REGISTRY',
        `Cannot ${what}: more than ${this.#limits.tokenBytesMax} bytes`,
      );
    const bytesMax = this.#limits.tokenBytesMax;
    const text = (await readAll(response, request, { bytesMax, tooLong })).toString('utf8');
    if (response.status !== 200) {
      const { domain } = claim;
      const retryAfter = response.headers['retry-after'];
      const retryAfterMs = parseRetryAfter(retryAfter?.toString(), askedAtMs);
      const { status } = response;
      const authorized = credential !== undefined;
      const diagnostics = parseDiagnostics(text);
      throw refusalError({ what, domain, status, diagnostics, retryAfterMs, authorized });
    }
    const answer = v.safeParse(tokenSchema, text);
    const value = answer.success ? (answer.output.token ?? answer.output.access_token) : undefined;
    if (!answer.success || !value || !/^[\x21-\x7e]+$/.test(value)) {
      throw new RegistryError('TSB_REGISTRY', `Cannot ${what}: the answer holds no token`);
    }
    const lifetimeMs = Math.max(answer.output.expires_in ?? 0, DEFAULT_LIFETIME_SEC) * 1000;
    return {
      value,
      expiresAtMs: askedAtMs + lifetimeMs - Math.min(RENEWAL_MARGIN_MS, lifetimeMs / 2),
    };
  }

  #tokenRequest(
    { domain, scopes, signal }: Claim,
    { params }: Challenge,
    credential: Credential | undefined,
    what: string,
  ): HttpRequest {
    const realm = params.get('realm') ?? '';
    if (!URL.canParse(realm)) {
      throw new RegistryError('TSB_REGISTRY', `Cannot ${what}: the registry names no token server`);
    }
    const url = this.#origins.follow(realm, this.#origins.baseUrl(domain), what);
    const service = params.get('service');
    const all = new Set([...scopes, ...(params.get('scope')?.split(' ') ?? [])].filter(Boolean));
    const common = { what, domain, signal };
    const headers = { 'user-agent': this.#userAgent, accept: 'application/json' };
    if (credential?.kind === 'identity') {
      const form = new URLSearchParams({ grant_type: 'refresh_token', client_id: CLIENT_ID });
      if (service !== undefined) form.set('service', service);
      form.set('scope', [...all].join(' '));
      form.set('refresh_token', credential.token);
      const type = { 'content-type': 'application/x-www-form-urlencoded' };
      const body = Buffer.from(form.toString());
      return { ...common, method: 'POST', url, headers: { ...headers, ...type }, body };
    }
    if (service !== undefined) url.searchParams.set('service', service);
    for (const scope of all) url.searchParams.append('scope', scope);
    const login = credential?.kind === 'basic' ? { authorization: basic(credential) } : {};
    return { ...common, method: 'GET', url, headers: { ...headers, ...login } };
  }
}

function keyOf({ domain, scopes }: Claim): string {
  return [domain, ...scopes].join(' ');
}

function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`;
}

/** Shares one promise between all who ask; a failure is not kept. */
function remember<T>(map: Map<string, Promise<T>>, key: string, promise: Promise<T>): Promise<T> {
  map.set(key, promise);
  promise.catch(() => {
    if (map.get(key) === promise) map.delete(key);
  });
  return promise;
}
