/*
 * EXPOSE: `[[ip:]host-port:]port[-port][/tcp|udp|sctp]`. What stands before the container's port
 * has no effect; a lint rule warns of it.
 */
import { isIP } from 'node:net';
import { PartError } from './locate.js';

const PORT_MAX = 65535;

/** One word of EXPOSE in its parts; `host`: what stands before the last port, with its colon. */
export interface PortSpec {
  readonly host: string;
  readonly first: number;
  readonly last: number;
  /** As written; `tcp` where there is none. */
  readonly protocol: string;
}

/** The `<port>/<protocol>` keys of a port or range. Throws TSB_PARSE. */
export function parsePorts(text: string): string[] {
  const { first, last, protocol } = parsePortSpec(text);
  const suffix = protocol.toLowerCase();
  return Array.from({ length: last - first + 1 }, (_, index) => `${first + index}/${suffix}`);
}

/** Parses one word of EXPOSE. Throws TSB_PARSE. */
export function parsePortSpec(text: string): PortSpec {
  const colon = text.lastIndexOf(':');
  const host = text.slice(0, colon + 1);
  const [ports = '', protocol = '', ...more] = text.slice(colon + 1).split('/');
  const range = parseRange(ports);
  const known = ['', 'tcp', 'udp', 'sctp'].includes(protocol.toLowerCase());
  if (range === undefined || !known || more.length > 0 || !isHostPart(host, range)) {
    throw new PartError(
      'TSB_PARSE',
      `Cannot parse port "${text}": want <port>, <first>-<last> or <port>/udp up to ${PORT_MAX}`,
      {
        hint: 'Write the port inside the container alone, as in EXPOSE 80',
        part: { text },
      },
    );
  }
  return { host, ...range, protocol: protocol === '' ? 'tcp' : protocol };
}

interface Range {
  readonly first: number;
  readonly last: number;
}

function parseRange(text: string): Range | undefined {
  const match = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(text);
  if (match === null) return undefined;
  const first = Number(match[1]);
  const last = Number(match[2] ?? first);
  return first <= last && last <= PORT_MAX ? { first, last } : undefined;
}

/** `[ip:]host-port:`; as many host ports as there are ports, unless it is one port. */
function isHostPart(host: string, { first, last }: Range): boolean {
  if (host === '') return true;
  const parts = host.slice(0, -1).split(':');
  const hostPort = parts.pop() ?? '';
  const ip = parts.join(':').replace(/^\[(.*)\]$/, '$1');
  if (ip !== '' && isIP(ip) === 0) return false;
  if (hostPort === '') return true;
  const range = parseRange(hostPort);
  if (range === undefined) return false;
  return first === last || range.last - range.first === last - first;
}
