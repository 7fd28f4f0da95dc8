/**
 * The `WWW-Authenticate` header (RFC 9110 section 11.6.1), as registries write it:
 *
 *     Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull"
 *     Basic realm="basic-realm"
 *
 *     challenge = scheme [ 1*SP param *( "," param ) ]     several, separated by ","
 *     param     = token "=" ( token | quoted-string )
 */
export interface Challenge {
  /** Lower case: `bearer`, `basic`. */
  readonly scheme: string;
  /** By lower-case name. */
  readonly params: ReadonlyMap<string, string>;
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const PART = new RegExp(
  `\\s*,*\\s*(?:(${TOKEN})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|(${TOKEN}))|(${TOKEN}))\\s*(?=,|\\s|$)`,
  'y',
);

/** Parses the header's values, in order; stops at what is not well-formed. */
export function parseChallenges(header: string | readonly string[] | undefined): Challenge[] {
  const challenges: { scheme: string; params: Map<string, string> }[] = [];
  const text = typeof header === 'string' ? header : (header ?? []).join(', ');
  PART.lastIndex = 0;
  for (let part = PART.exec(text); part !== null && part[0] !== ''; part = PART.exec(text)) {
    const [, name, quoted, token, scheme] = part;
    if (scheme !== undefined) {
      challenges.push({ scheme: scheme.toLowerCase(), params: new Map() });
    } else if (name !== undefined) {
      const value = quoted?.replace(/\\(.)/g, '$1') ?? token ?? '';
      challenges.at(-1)?.params.set(name.toLowerCase(), value);
    }
  }
  return challenges;
}
