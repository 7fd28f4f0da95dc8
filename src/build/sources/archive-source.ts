import { createHash } from 'node:crypto';
import fs from 'node:fs';
import type { LayerId } from '../../layer/types.js';
import type { ImageTree, TreeNode } from '../../overlay/image-tree.js';
import { UserError } from '../../util/errors.js';
import { addArchive, archiveError, isArchive } from '../add-archive.js';
import { kindOfMode } from '../tree-nodes.js';
import type { FetchDeps, OnBytes } from './fetch-deps.js';
import { findSource, makeLayer, putSource, sourceKey } from './fetched-layer.js';

/** A file that is an archive, or a Buildfile. */
export interface SpooledFile {
  readonly isArchive: boolean;
  readonly size: number;
  /** SHA-256 in hex. */
  readonly digest: string;
  readonly read: () => AsyncIterable<Buffer>;
}

const CHUNK_BYTES = 1024 * 1024;
const ROOT = { uid: 0, gid: 0 };

/**
 * What an archive unpacks to, in a layer; every file root's, as those of a directory are. `what`:
 * the archive, for the message of TSB_CONTEXT.
 */
export async function archiveLayer(
  deps: FetchDeps,
  { read, digest }: Pick<SpooledFile, 'read' | 'digest'>,
  what: string,
): Promise<LayerId> {
  const key = sourceKey('archive', [['sha256', digest]]);
  const known = deps.noCache ? undefined : await findSource(deps.records, deps.store, key);
  if (known !== undefined) return known.layer;
  const { signal } = deps;
  const layer = await makeLayer(deps.store, async (tree) => {
    const destination = { path: '/', isDirectory: true, several: false };
    const changes = { owner: ROOT, changeMode: undefined };
    const target = { tree, destination, changes, signal, nowMs: 0 };
    try {
      await addArchive({ read }, target);
    } catch (error) {
      throw archiveError(error, { what, code: 'TSB_CONTEXT' });
    }
    tree.setMeta(tree.root, { mode: 0o755, mtime: { sec: 0, nsec: 0 } });
  });
  await putSource(deps.records, key, { layer, facts: {} });
  return layer;
}

/** Writes a stream to a file, to see what it is. The caller removes the file. */
export async function spool(
  { limits, signal }: FetchDeps,
  stream: AsyncIterable<Buffer>,
  { file, onBytes }: { file: string; onBytes?: OnBytes | undefined },
): Promise<SpooledFile> {
  const hash = createHash('sha256');
  let size = 0;
  const handle = await fs.promises.open(file, 'wx', 0o600);
  try {
    for await (const chunk of untilAborted(stream, signal)) {
      size += chunk.length;
      if (size > limits.downloadBytesMax) throw tooLarge(limits.downloadBytesMax);
      hash.update(chunk);
      await handle.writeFile(chunk);
      onBytes?.('bytes', size);
    }
  } finally {
    await handle.close();
  }
  const read = (): AsyncIterable<Buffer> =>
    fs.createReadStream(file, { highWaterMark: CHUNK_BYTES }) as AsyncIterable<Buffer>;
  const probe = { info: { size, kind: 'file' }, read } as const;
  return { isArchive: await isArchive(probe), size, digest: hash.digest('hex'), read };
}

/** A terminal may have nothing to say for ever: an abort does not wait for it. */
async function* untilAborted(
  stream: AsyncIterable<Buffer>,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  signal.throwIfAborted();
  const iterator = stream[Symbol.asyncIterator]();
  let abort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
  });
  aborted.catch(() => undefined);
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), aborted]);
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener('abort', abort);
    // Not awaited: it may come behind a read that never ends.
    iterator.return?.().catch(() => undefined);
  }
}

/** A file of a tree in the same terms. */
export async function spooledNode(tree: ImageTree, node: TreeNode): Promise<SpooledFile> {
  const read = (): AsyncIterable<Buffer> => tree.read(node);
  const { size, mode } = node;
  const isTar = await isArchive({ info: { kind: kindOfMode(mode), size }, read });
  const digest = (await tree.contentDigest(node)).slice('sha256:'.length);
  return { isArchive: isTar, size, digest, read };
}

/** The text of a Buildfile; TSB_LIMIT for what can be none. */
export async function textOf(
  { limits }: FetchDeps,
  { size, read }: SpooledFile,
  what: string,
): Promise<string> {
  if (size > limits.textBytesMax) {
    const found = `${size} bytes, want at most ${limits.textBytesMax}`;
    throw new UserError('TSB_LIMIT', `Cannot read ${what}: ${found}`, {
      hint: 'It is no archive: a context is a tar file, plain or compressed',
    });
  }
  const parts: Buffer[] = [];
  for await (const part of read()) parts.push(part);
  const bytes = Buffer.concat(parts);
  if (!bytes.includes(0)) return bytes.toString('utf8');
  throw new UserError('TSB_CONTEXT', `Cannot read ${what}: neither an archive nor a text`);
}

function tooLarge(bytesMax: number): UserError {
  return new UserError('TSB_LIMIT', `Cannot read the build context: more than ${bytesMax} bytes`);
}
