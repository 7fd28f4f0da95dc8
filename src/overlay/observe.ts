import type { FileSystem } from '../fuse/filesystem.js';
import { LoggingFileSystem, type OperationLogger } from '../fuse/filesystems/logging-filesystem.js';
import { STDERR_LOGGER } from '../fuse/server/serve.js';
import type { FuseLogger } from '../fuse/server/session.js';
import { StatsFileSystem } from '../fuse/filesystems/stats-filesystem.js';
import { maskText, type MaskedBytes } from '../secrets/output-mask.js';
import { byteName, escapeName } from '../util/byte-name.js';
import { openLogger, type LogTarget, type Logger } from '../util/log.js';
import { AccessRecorder } from './access-recorder.js';
import { OverlayFileSystem } from './overlay-filesystem.js';
import type { Overlay } from './overlay.js';
import type { MountReport, MountRequest } from './server-messages.js';

/** A server's log. Nothing is buffered. */
export interface ServerLog {
  readonly logger: FuseLogger;
  /** Undefined: operations are not logged. */
  readonly operations: OperationLogger | undefined;
  /** Undefined: figures are not logged. */
  readonly figures: Pick<Logger, 'debug'> | undefined;
}

/** Opens the log; a silent one takes failures alone, to standard error. */
export async function openServerLog(target: LogTarget): Promise<ServerLog> {
  const { level, file } = target;
  if (level === 'silent') {
    return { logger: STDERR_LOGGER, operations: undefined, figures: undefined };
  }
  const log = await openLogger(level, file);
  return {
    logger: { error: (details, message) => log.error({ ...details }, message) },
    operations:
      level === 'trace'
        ? { trace: (record, message) => log.trace({ ...record }, message) }
        : undefined,
    figures: level === 'trace' || level === 'debug' ? log : undefined,
  };
}

/** An overlay's file system with what watches it. */
export interface Observed {
  readonly fileSystem: FileSystem;
  /** What was seen; call it when the mount has gone. */
  finish(): MountReport;
}

/** Puts around the file system what the request and the log ask for, and nothing else. */
export function observe(overlay: Overlay, request: MountRequest, log: ServerLog): Observed {
  const own = new OverlayFileSystem(overlay);
  const recorder = request.record === true ? new AccessRecorder(overlay.tree) : undefined;
  let fileSystem: FileSystem = recorder === undefined ? own : recorder.watch(own);
  let stats: StatsFileSystem | undefined;
  if (request.stats === true || log.figures !== undefined) {
    fileSystem = stats = new StatsFileSystem(fileSystem);
  }
  if (log.operations !== undefined) {
    fileSystem = new LoggingFileSystem(fileSystem, hiding(log.operations, request.hidden));
  }
  return {
    fileSystem,
    finish: () => {
      const operations = stats?.snapshot();
      const { mountpoint } = request;
      if (operations !== undefined) log.figures?.debug({ mountpoint, operations }, 'unmounted');
      return {
        ...(request.stats === true && operations !== undefined && { stats: operations }),
        ...(recorder !== undefined && { accesses: recorder.record() }),
      };
    },
  };
}

/** The logger without these texts in its records. */
function hiding(logger: OperationLogger, hidden: readonly string[] = []): OperationLogger {
  if (hidden.length === 0) return logger;
  const patterns = hidden.flatMap((text) => {
    const bytes = Buffer.from(text, 'base64');
    // Names are escaped in a record.
    return [{ bytes }, { bytes: Buffer.from(escapeName(byteName(bytes))) }];
  });
  return {
    trace: (record, message) => logger.trace(maskStrings(record, patterns) as object, message),
  };
}

function maskStrings(value: unknown, patterns: readonly MaskedBytes[]): unknown {
  if (typeof value === 'string') return maskText(value, patterns);
  if (Array.isArray(value)) return value.map((each: unknown) => maskStrings(each, patterns));
  if (typeof value !== 'object' || value === null || value instanceof Error) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key, maskStrings(each, patterns)]),
  );
}
