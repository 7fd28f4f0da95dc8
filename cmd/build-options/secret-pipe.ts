import fs, { constants } from 'node:fs';
import net from 'node:net';
import { addAbortSignal, type Readable } from 'node:stream';
import tty from 'node:tty';
import type { SecretSource } from '../../src/build/secrets.js';
import { messageOf, UserError } from '../../src/util/errors.js';

/** How secrets are read that are in no regular file. */
export interface ReadPipes {
  readonly signal: AbortSignal;
  /** What else is read from standard input, as in `the Buildfile`. */
  readonly stdinReader?: string | undefined;
}

type FileSource = Extract<SecretSource, { kind: 'file' }>;

const STDIN_PATHS: readonly string[] = ['/dev/stdin', '/dev/fd/0', '/proc/self/fd/0'];

/** Whether a path is another name of standard input. */
export function isStdinPath(path: string): boolean {
  return STDIN_PATHS.includes(path);
}

/**
 * Reads the secrets whose sources can be read but once (a pipe, a terminal, standard input) to
 * their end, and leaves the other sources as they are. UserError TSB_USAGE, TSB_CONTEXT, TSB_LIMIT;
 * the reason of `signal` when it aborts.
 */
export async function readSecretPipes(
  sources: readonly SecretSource[],
  options: ReadPipes,
): Promise<SecretSource[]> {
  const values = new Map<string, Buffer>();
  const given: SecretSource[] = [];
  // One after the other: what one cannot have is said before another is waited for.
  for (const source of sources) {
    if (source.kind !== 'file' || !isReadOnce(source, options)) {
      given.push(source);
      continue;
    }
    const { id, path } = source;
    const key = isStdinPath(path) ? '/dev/stdin' : path;
    const value = values.get(key) ?? (await readPipe(source, options));
    values.set(key, value);
    given.push({ id, kind: 'value', value });
  }
  return given;
}

function isReadOnce({ id, path }: FileSource, { stdinReader }: ReadPipes): boolean {
  if (isStdinPath(path) && stdinReader !== undefined) {
    const message = `Cannot read both secret "${id}" and ${stdinReader} from standard input`;
    throw new UserError('TSB_USAGE', message, {
      hint: `Give one of them otherwise: --secret id=${id},src=FILE or id=${id},env=VARIABLE`,
    });
  }
  const stat = fs.statSync(path, { throwIfNoEntry: false });
  return stat !== undefined && !stat.isFile() && !stat.isDirectory();
}

async function readPipe({ id, path }: FileSource, { signal }: ReadPipes): Promise<Buffer> {
  const { SECRET_BYTES_MAX, secretTooLarge } = await import('../../src/build/secrets.js');
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    const stream = addAbortSignal(signal, isStdinPath(path) ? process.stdin : openPipe(path));
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > SECRET_BYTES_MAX) throw secretTooLarge(id);
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof UserError) throw error;
    throw new UserError('TSB_CONTEXT', `Cannot read secret "${id}": ${messageOf(error)}`, {
      hint: `Pass a file or a pipe that you may read: --secret id=${id},src=FILE`,
      cause: error,
    });
  }
  return Buffer.concat(chunks);
}

/** Does not wait for a writer: a thread that waits in open(2) or read(2) cannot be called back. */
function openPipe(path: string): Readable {
  const fd = fs.openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  if (tty.isatty(fd)) return new tty.ReadStream(fd);
  const { constants: types } = fs;
  if ((fs.fstatSync(fd).mode & types.S_IFMT) === types.S_IFIFO) {
    // Of a FIFO without a writer the first read would find the end: it is polled before.
    return new net.Socket({ fd, readable: true, writable: false });
  }
  return fs.createReadStream('', { fd });
}
