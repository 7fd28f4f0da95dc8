/*
 * The process that serves an OverlayServer's mounts, one after the other. It blocks in the
 * kernel: no timer, promise or signal handler runs while it serves /dev/fuse. Started as
 * `node server-process.js <pid of the parent> <log level> [<log file>]` with a socket as
 * descriptor 3.
 */
import path from 'node:path';

import type { FileSystem } from '../fuse/filesystem.js';
import { mountFuse } from '../fuse/mount/mount.js';
import { serve } from '../fuse/server/serve.js';
import type { LayerDirOf } from '../layer/layer-reader.js';
import { SIGKILL } from '../sys/constants.js';
import { Fd } from '../sys/fd.js';
import { read, write } from '../sys/file.js';
import { getppid, resetSignals, setParentDeathSignal } from '../sys/process.js';
import { UserError } from '../util/errors.js';
import type { LogLevel } from '../util/log.js';
import { observe, openServerLog, type ServerLog } from './observe.js';
import { OVERLAY_SERVING } from './overlay-filesystem.js';
import { Overlay } from './overlay.js';
import {
  MOUNT_SUBTYPE,
  encodeError,
  type MountRequest,
  type Report,
  type Request,
} from './server-messages.js';

const SOCKET = 3;
const READ_BYTES = 65536;

/** Lines of a blocking socket, and back. */
class Line {
  readonly #socket = Fd.adopt(SOCKET);
  readonly #chunk = Buffer.alloc(READ_BYTES);
  readonly #decoder = new TextDecoder();
  #rest = '';

  /** The next request; undefined: the parent has closed its end. */
  receive(): Request | undefined {
    for (;;) {
      const end = this.#rest.indexOf('\n');
      if (end >= 0) {
        const line = this.#rest.slice(0, end);
        this.#rest = this.#rest.slice(end + 1);
        // The other end is the same program: see OverlayServer.
        return JSON.parse(line) as Request;
      }
      const count = read(this.#socket, this.#chunk);
      if (count === 0) return undefined;
      this.#rest += this.#decoder.decode(this.#chunk.subarray(0, count), { stream: true });
    }
  }

  send(report: Report): void {
    write(this.#socket, Buffer.from(`${JSON.stringify(report)}\n`));
  }
}

function openOverlay({ lowers, layerDirs, upperdir, synthetic }: MountRequest): Overlay {
  const layerDirOf: LayerDirOf = (id) => {
    if (typeof layerDirs === 'string') return path.join(layerDirs, id);
    const dir = layerDirs[id];
    if (dir === undefined) throw new Error(`Cannot find layer ${id} among those of the mount`);
    return dir;
  };
  return Overlay.open({ lowers, layerDirOf, upperdir, synthetic });
}

/** Serves one mount to its end, and does with the layer what is asked then. */
async function serveMount(line: Line, request: MountRequest, log: ServerLog): Promise<void> {
  using overlay = openOverlay(request);
  const observed = observe(overlay, request, log);
  await serveFileSystem(line, request, { fileSystem: observed.fileSystem, log });
  line.send({ type: 'unmounted', report: observed.finish() });
  for (;;) {
    const next = line.receive();
    if (next === undefined) return;
    if (next.type === 'discard') break;
    await answer(line, log, () => {
      if (next.type !== 'commit')
        throw new Error(`Cannot ${next.type} now: want commit or discard`);
      line.send({ type: 'committed', result: overlay.commit({ mtimeMax: next.mtimeMax }) });
    });
  }
  overlay[Symbol.dispose]();
  line.send({ type: 'discarded' });
}

/** Mounts, says so, and serves until the mount has gone. */
async function serveFileSystem(
  line: Line,
  { mountpoint, upperdir, readOnly = upperdir === undefined, channel }: MountRequest,
  { fileSystem, log: { logger } }: { fileSystem: FileSystem; log: ServerLog },
): Promise<void> {
  const mount = { mountpoint, fsname: 'tsbuild', subtype: MOUNT_SUBTYPE, readOnly };
  if (channel === 'libfuse') {
    const { mountFuseNative } = await import('../fuse-native/mount.js');
    const mounted = await mountFuseNative(mount, fileSystem, { logger });
    line.send({ type: 'mounted' });
    await mounted.ended;
    return;
  }
  using device = mountFuse(mount);
  line.send({ type: 'mounted' });
  serve(device, fileSystem, { ...OVERLAY_SERVING, logger });
}

async function answer(line: Line, log: ServerLog, work: () => void | Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    // A UserError is for the parent to tell; anything else needs its stack.
    if (!(error instanceof UserError)) log.logger.error({ err: error }, 'a request failed');
    line.send({ type: 'failed', error: encodeError(error) });
  }
}

async function main([parent, level, logFile]: readonly string[]): Promise<void> {
  setParentDeathSignal(SIGKILL);
  // The parent may have died before: nobody would end this process then.
  if (getppid() !== Number(parent)) return;
  resetSignals();
  const line = new Line();
  const log = await openServerLog({ level: level as LogLevel, file: logFile });
  for (;;) {
    const request = line.receive();
    if (request === undefined) return;
    await answer(line, log, async () => {
      if (request.type !== 'mount') throw new Error(`Cannot ${request.type} now: want mount`);
      await serveMount(line, request.mount, log);
    });
  }
}

await main(process.argv.slice(2));
