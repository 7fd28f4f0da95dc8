/* EXPOSE: `<port>[-<port>][/tcp|udp|sctp]`. */
import { UserError } from '../util/errors.js';

const PORT_MAX = 65535;

/** The `<port>/<protocol>` keys of a port or range. Throws TSB_PARSE without a position. */
export function parsePorts(text: string): string[] {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(text);
  const first = Number(match?.[1] ?? -1);
  const last = Number(match?.[2] ?? first);
  if (first < 0 || first > last || last > PORT_MAX) {
    throw new UserError(
      'TSB_PARSE',
      `Cannot parse port "${text}": want <port>, <first>-<last> or <port>/udp up to ${PORT_MAX}`,
      { hint: 'Write the port inside the container alone, as in EXPOSE 80' },
    );
  }
  const protocol = match?.[3]?.toLowerCase() ?? 'tcp';
  return Array.from({ length: last - first + 1 }, (_, index) => `${first + index}/${protocol}`);
}
