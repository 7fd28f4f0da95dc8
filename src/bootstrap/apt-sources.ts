/*
 * apt's sources (sources.list(5)), in both formats:
 *
 *   deb [arch=amd64 signed-by=/k.gpg] http://deb.debian.org/debian bookworm main contrib
 *
 *   Types: deb deb-src
 *   URIs: http://deb.debian.org/debian
 *   Suites: bookworm bookworm-updates
 *   Components: main
 *   Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
 *
 * Lenient, as the host's files are not ours: what is not understood is left out.
 */

/** A source of binary packages. */
export interface AptSource {
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** A keyring's path (or an embedded key). */
  readonly signedBy?: string;
}

/** Parses a file of the one-line format. */
export function parseOneLineSources(text: string): AptSource[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)((?:\s+[^\s#]+)*)/.exec(line);
    if (match === null) return [];
    const [, options = '', uri = '', suite = '', components = ''] = match;
    const signedBy = /(?:^|\s)signed-by=(\S+)/.exec(options)?.[1];
    return [
      {
        uris: [uri],
        suites: [suite],
        components: splitBlanks(components),
        ...(signedBy !== undefined && { signedBy }),
      },
    ];
  });
}

/** Parses a file of the deb822 format. */
export function parseDeb822Sources(text: string): AptSource[] {
  const withoutComments = text.replace(/^#.*\n?/gm, '');
  return withoutComments.split(/\n(?:[ \t]*\n)+/).flatMap((stanza) => {
    const fields = parseStanza(stanza);
    const get = (name: string): string[] => splitBlanks(fields.get(name) ?? '');
    if (!get('types').includes('deb')) return [];
    if (/^(no|false|without|off|disable|0)$/i.test(fields.get('enabled') ?? 'yes')) return [];
    const signedBy = fields.get('signed-by');
    return [
      {
        uris: get('uris'),
        suites: get('suites'),
        components: get('components'),
        ...(signedBy !== undefined && { signedBy }),
      },
    ];
  });
}

/** One stanza in deb822. */
export function formatDeb822({ uris, suites, components, signedBy }: AptSource): string {
  return [
    'Types: deb',
    `URIs: ${uris.join(' ')}`,
    `Suites: ${suites.join(' ')}`,
    `Components: ${components.join(' ')}`,
    ...(signedBy === undefined ? [] : [`Signed-By: ${signedBy}`]),
    '',
  ].join('\n');
}

/** The source as lines of the one-line format, one for each suite of its first URI. */
export function formatOneLine({ uris, suites, components }: AptSource): string[] {
  return suites.map((suite) => `deb ${uris[0] ?? ''} ${suite} ${components.join(' ')}`);
}

/** Field names in lower case; continuation lines joined with a newline. */
function parseStanza(stanza: string): Map<string, string> {
  const fields = new Map<string, string>();
  let current: string | undefined;
  for (const line of stanza.split('\n')) {
    const field = /^([A-Za-z][A-Za-z0-9-]*):\s*(.*?)\s*$/.exec(line);
    if (field?.[1] !== undefined) {
      current = field[1].toLowerCase();
      fields.set(current, field[2] ?? '');
    } else if (current !== undefined && /^[ \t]/.test(line)) {
      fields.set(current, `${fields.get(current) ?? ''}\n${line.trim()}`.trim());
    }
  }
  return fields;
}

function splitBlanks(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}
