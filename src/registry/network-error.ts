import { messageOf } from '../util/errors.js';
import { RegistryError } from './registry-error.js';

/** Codes of Node and undici for a connection that broke or was too slow: worth another try. */
const TRANSIENT = new Set([
  ...['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EAI_AGAIN', 'ENETUNREACH', 'EHOSTUNREACH'],
  ...['UND_ERR_SOCKET', 'UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT'],
  ...['UND_ERR_BODY_TIMEOUT', 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH'],
]);

const HINTS: Readonly<Record<string, (domain: string) => string>> = {
  ECONNREFUSED: () => 'nothing listens there: check the host and port',
  ENOTFOUND: () => 'the host has no address: check its name, and the DNS',
  EPROTO: plainHttp,
  ERR_SSL_WRONG_VERSION_NUMBER: plainHttp,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: plainHttp,
  ERR_TLS_CERT_ALTNAME_INVALID: () => 'the certificate is for another host',
  CERT_HAS_EXPIRED: () => 'the certificate has expired',
};
/** Certificates that the trusted authorities did not sign. */
const UNTRUSTED = new Set([
  ...['DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN'],
  ...[
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    'UNABLE_TO_GET_ISSUER_CERT',
  ],
]);

function plainHttp(domain: string): string {
  return `if it speaks plain http: TSBUILD_INSECURE_REGISTRIES=${domain}`;
}

/**
 * The RegistryError (TSB_NETWORK) for a failure of the connection; undefined if `error` is
 * something else, like a failure of the caller's own stream.
 */
export function findNetworkError(
  error: unknown,
  what: string,
  domain: string,
): RegistryError | undefined {
  const code = codeOf(error);
  if (code === undefined) return undefined;
  const hint = UNTRUSTED.has(code)
    ? 'trust its authority: NODE_EXTRA_CA_CERTS=FILE.pem'
    : HINTS[code]?.(domain);
  const found = HINTS[code] === plainHttp ? 'its answer is not TLS' : messageOf(error) || code;
  return new RegistryError('TSB_NETWORK', `Cannot ${what}: ${domain}: ${found}`, {
    ...(hint !== undefined && { hint }),
    cause: error,
    transient: TRANSIENT.has(code),
  });
}

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  // Node's happy eyeballs: one failure per address.
  const inner: unknown = error instanceof AggregateError ? error.errors[0] : error;
  const code = inner instanceof Error && 'code' in inner ? inner.code : undefined;
  if (typeof code !== 'string') return undefined;
  const known = TRANSIENT.has(code) || UNTRUSTED.has(code) || Object.hasOwn(HINTS, code);
  return known || /^(?:UND_ERR_|HPE_|ERR_SSL_|ERR_TLS_|CERT_)/.test(code) ? code : undefined;
}
