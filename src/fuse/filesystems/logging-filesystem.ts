import { FsError, errnoNumber } from '../../sys/errno.js';
import { byteName, escapeName, type ByteName } from '../../util/byte-name.js';
import type { Attr, Caller, Entry, FileSystem, Opened } from '../filesystem.js';
import { ARGUMENTS, intercept, type OperationName } from './intercept.js';

/** Takes the records of operations; pino's loggers fit. Called synchronously. */
export interface OperationLogger {
  trace(record: object, message: string): void;
}

/** What is kept of a call until it ends. */
interface Call {
  readonly id: number;
  readonly operation: OperationName;
  readonly startMs: number;
}

const EIO = -errnoNumber('EIO');

/**
 * Logs every operation of a file system, on the level `trace`: a record at the call (`id`,
 * `operation`, `arguments`) and one at the end (`id`, `operation`, `errno`: 0 or negative, with
 * its `code`; `durationMicros`; `result`). Names are escaped, bytes are shown as their number.
 * Not to log costs nothing: serve the file system itself.
 */
export class LoggingFileSystem implements FileSystem {
  declare readonly lookup: FileSystem['lookup'];
  declare readonly forget: FileSystem['forget'];
  declare readonly getattr: FileSystem['getattr'];

  constructor(fileSystem: FileSystem, logger: OperationLogger) {
    let calls = 0;
    const ended = ({ id, operation, startMs }: Call, outcome: object): void => {
      const durationMicros = Math.round((performance.now() - startMs) * 1000);
      logger.trace({ id, operation, durationMicros, ...outcome }, 'result');
    };
    const logged = intercept<Call>(fileSystem, {
      began: (operation, args) => {
        const id = ++calls;
        logger.trace({ id, operation, arguments: showArguments(operation, args) }, 'call');
        return { id, operation, startMs: performance.now() };
      },
      succeeded: (call, result) => ended(call, { errno: 0, ...showResult(call.operation, result) }),
      failed: (call, error) => ended(call, showError(error)),
    });
    Object.assign(this, logged);
  }
}

/** What an operation was called with, flat, by name. */
function showArguments(
  operation: OperationName,
  args: readonly unknown[],
): Record<string, unknown> {
  const shown: Record<string, unknown> = {};
  for (const [i, name] of ARGUMENTS[operation].entries()) put(shown, name, args[i]);
  return shown;
}

function put(shown: Record<string, unknown>, name: string, value: unknown): void {
  if (value === undefined || name === 'sink') return;
  if (name === 'caller') {
    const { uid, gid, pid } = value as Caller;
    shown[name] = { uid, gid, pid };
  } else if (Buffer.isBuffer(value)) {
    if (name === 'target') shown[name] = escapeName(byteName(value));
    else shown[`${name}Bytes`] = value.length;
  } else if (typeof value === 'string') {
    shown[name] = escapeName(value as ByteName);
  } else if (typeof value !== 'object' || isTime(value)) {
    shown[name] = value;
  } else {
    for (const [key, each] of Object.entries(value as object)) put(shown, key, each);
  }
}

function isTime(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'nsec' in value;
}

function showResult(operation: OperationName, result: unknown): object {
  if (operation === 'lookup' && result === undefined) return { result: { found: false } };
  if (result === undefined) return {};
  if (operation === 'readdir') return { result: { entries: result } };
  if (typeof result === 'number') return { result };
  if (Buffer.isBuffer(result)) {
    return operation === 'readlink'
      ? { result: { target: escapeName(byteName(result)) } }
      : { result: { bytes: result.length } };
  }
  if (Array.isArray(result)) return { result: { names: (result as ByteName[]).map(escapeName) } };
  return { result: showNode(result as Partial<Entry & Opened & Attr>) };
}

/** The little of an entry, its attributes or handle that tells what it is. */
function showNode(node: Partial<Entry & Opened & Attr>): object {
  const { nodeid, fh, openFlags, mode, size, nlink, uid, gid } = node;
  const attr = node.attr ?? { mode, size, nlink, uid, gid };
  return {
    ...(nodeid !== undefined && { nodeid }),
    ...(fh !== undefined && { fh, openFlags }),
    ...(attr.mode !== undefined && {
      mode: `0${attr.mode.toString(8)}`,
      size: attr.size,
      nlink: attr.nlink,
      uid: attr.uid,
      gid: attr.gid,
    }),
  };
}

function showError(error: unknown): object {
  if (error instanceof FsError) return { errno: error.errno, code: error.code };
  return { errno: EIO, code: 'EIO', err: error };
}
