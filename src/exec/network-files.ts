import { readTextIfAny } from './host-facts.js';

/** Where systemd-resolved writes the servers it asks itself. */
const UPSTREAM_RESOLV_CONF = '/run/systemd/resolve/resolv.conf';
const NAMESERVER = /^\s*nameserver\s+\S/m;

/** The /etc/hosts of a RUN: the usual names, and further ones. */
export function formatHosts(
  hostname: string,
  further: readonly { readonly name: string; readonly address: string }[] = [],
): string {
  return [
    `127.0.0.1\tlocalhost ${hostname}`,
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'ff02::1\tip6-allnodes',
    'ff02::2\tip6-allrouters',
    ...further.map(({ name, address }) => `${address}\t${name}`),
    '',
  ].join('\n');
}

/**
 * The default /etc/resolv.conf of a RUN: the host's own. A resolver on the loopback (127.0.0.53)
 * works as it is, because network `host` shares the loopback. Without any server there, those
 * that systemd-resolved asks; with network `none`, empty.
 */
export function readResolvConf(
  network: 'host' | 'none',
  readText: (path: string) => string | undefined = readTextIfAny,
): string {
  if (network === 'none') return '';
  const own = readText('/etc/resolv.conf');
  if (own !== undefined && NAMESERVER.test(own)) return own;
  return readText(UPSTREAM_RESOLV_CONF) ?? own ?? '';
}
