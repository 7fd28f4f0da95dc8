// Files that are fetched piece by piece when somebody reads them, several at once:
//   node examples/library/http-fs.js DIR URL... &    head -c 100 DIR/NAME    umount DIR
// Logs every operation with FUSE_LOG=1, and prints figures in the end.
// @ts-check
/* global fetch, URL */
import { Buffer } from 'node:buffer';
import { pino } from 'pino';
import {
  directory,
  formatStats,
  FsError,
  LoggingFileSystem,
  mountAndServe,
  StatsFileSystem,
  VirtualFileSystem,
} from 'tsbuild/fuse';

/**
 * @param {string} url
 * @returns {Promise<[string, import('tsbuild/fuse').VirtualNode]>}
 */
async function remoteFile(url) {
  const { headers } = await fetch(url, { method: 'HEAD' });
  /** @param {number} offset @param {number} length */
  const read = async (offset, length) => {
    const range = `bytes=${offset}-${offset + length - 1}`;
    const response = await fetch(url, { headers: { range } });
    if (response.status !== 206) throw new FsError('EIO', `fetch of status ${response.status}`);
    return Buffer.from(await response.arrayBuffer());
  };
  const mtime = new Date(headers.get('last-modified') ?? 0);
  const size = Number(headers.get('content-length'));
  const name = new URL(url).pathname.split('/').pop() || 'index';
  return [name, { kind: 'file', size, mtime, read }];
}

const [mountpoint = '', ...urls] = process.argv.slice(2);
const files = Object.fromEntries(await Promise.all(urls.map(remoteFile)));
const counted = new StatsFileSystem(new VirtualFileSystem(directory(files)));
const logger = pino({ level: 'trace' }, pino.destination({ dest: 2, sync: true }));
await mountAndServe(process.env.FUSE_LOG ? new LoggingFileSystem(counted, logger) : counted, {
  mountpoint,
  readOnly: true,
  onReady: (path) => console.log(`mounted ${path}`),
});
process.stdout.write(formatStats(counted.snapshot()));
