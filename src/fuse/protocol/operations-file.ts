import { FsError } from '../../sys/errno.js';
import { FUSE_FSYNC_FDATASYNC, FUSE_IOCTL_UNRESTRICTED, OPCODE } from './abi.js';
import type { Entry, Opened } from '../filesystem.js';
import type { Exchange, Operation, Operations } from './operation.js';
import { nothing, operation } from './operation.js';
import { encodeEntry, encodeOpened, encodeStatFs } from './reply.js';
import {
  decodeCopyFileRange,
  decodeCreate,
  decodeTmpfile,
  decodeFallocate,
  decodeIoctl,
  decodeRead,
  decodeWrite,
} from './request.js';

function putCreated({ reply, connection }: Exchange, created: Entry & Opened): void {
  encodeEntry(reply, created, connection.timeouts);
  encodeOpened(reply, created);
}

/** write_out, 8 bytes. */
function putCount({ reply }: Exchange, count: number): void {
  reply.u32(count);
  reply.u32(0);
}

/** lseek_out and copy_file_range_out, 8 bytes. */
function putLongCount({ reply }: Exchange, count: number): void {
  reply.u64(count);
}

/** ioctl_out, 16 bytes, and what the caller gets: as many bytes as it takes. */
function putIoctl({ reply }: Exchange, { answer, outSize }: IoctlAnswer): void {
  if (answer.length > outSize) throw new FsError('EIO', `ioctl answer of ${answer.length} bytes`);
  reply.zeros(IOCTL_OUT_BYTES);
  reply.bytes(answer);
  reply.zeros(outSize - answer.length);
}

interface IoctlAnswer {
  readonly answer: Buffer;
  readonly outSize: number;
}

function ioctl(): Operation {
  return operation(
    'ioctl',
    (fs, { nodeid, cursor, reply, caller }) => {
      const request = decodeIoctl(cursor, nodeid);
      const { outSize, flags } = request;
      // Only a character device can ask without sizes, and of more than a reply holds.
      const fits = reply.payload(IOCTL_OUT_BYTES + outSize).length === IOCTL_OUT_BYTES + outSize;
      if ((flags & FUSE_IOCTL_UNRESTRICTED) !== 0 || !fits) throw new FsError('ENOTTY', 'ioctl');
      const answer = fs.ioctl(request, caller);
      return answer instanceof Promise
        ? answer.then((settled) => ({ answer: settled, outSize }))
        : { answer, outSize };
    },
    putIoctl,
  );
}

function read(): Operation {
  return operation(
    'read',
    (fs, { nodeid, cursor, reply, caller }) => {
      const { fh, offset, size } = decodeRead(cursor);
      const into = reply.payload(size);
      // A shorter buffer would read as the end of the file.
      if (into.length < size) throw new FsError('EIO', `read of ${size} bytes`);
      return fs.read({ nodeid, fh, offset }, into, caller);
    },
    ({ reply }, count) => reply.setPayloadLength(count),
  );
}

const IOCTL_OUT_BYTES = 16;
/** The longest copy whose result fits fuse_write_out's 32 bits, in whole pages. */
const COPY_BYTES_MAX = 0xfffff000;

/** Opening, contents and closing of files. */
export const FILE_OPERATIONS: Operations = {
  [OPCODE.FUSE_OPEN]: operation(
    'open',
    (fs, { nodeid, cursor, caller }) => fs.open(nodeid, cursor.u32(), caller),
    ({ reply }, opened) => encodeOpened(reply, opened),
  ),
  [OPCODE.FUSE_CREATE]: operation(
    'create',
    (fs, { nodeid, cursor, caller }) => {
      const { make, flags } = decodeCreate(cursor, nodeid);
      return fs.create(make, flags, caller);
    },
    putCreated,
  ),
  [OPCODE.FUSE_TMPFILE]: operation(
    'tmpfile',
    (fs, { nodeid, cursor, caller }) => {
      const { make, flags } = decodeTmpfile(cursor, nodeid);
      return fs.tmpfile(make, flags, caller);
    },
    putCreated,
  ),
  [OPCODE.FUSE_READ]: read(),
  [OPCODE.FUSE_WRITE]: operation(
    'write',
    (fs, { nodeid, cursor, caller }) => fs.write(decodeWrite(cursor, nodeid), caller),
    putCount,
  ),
  [OPCODE.FUSE_FLUSH]: operation(
    'flush',
    (fs, { nodeid, cursor, caller }) => fs.flush(nodeid, cursor.u64(), caller),
    nothing,
  ),
  [OPCODE.FUSE_RELEASE]: operation(
    'release',
    (fs, { nodeid, cursor }) => fs.release(nodeid, cursor.u64()),
    nothing,
  ),
  [OPCODE.FUSE_FSYNC]: operation(
    'fsync',
    (fs, { nodeid, cursor, caller }) => {
      const fh = cursor.u64();
      return fs.fsync(nodeid, fh, (cursor.u32() & FUSE_FSYNC_FDATASYNC) !== 0, caller);
    },
    nothing,
  ),
  [OPCODE.FUSE_FALLOCATE]: operation(
    'fallocate',
    (fs, { nodeid, cursor, caller }) => fs.fallocate(decodeFallocate(cursor, nodeid), caller),
    nothing,
  ),
  [OPCODE.FUSE_LSEEK]: operation(
    'lseek',
    (fs, { nodeid, cursor }) => {
      const [fh, offset] = [cursor.u64(), cursor.filePosition('ENXIO')];
      return fs.lseek(nodeid, fh, offset, cursor.u32());
    },
    putLongCount,
  ),
  [OPCODE.FUSE_COPY_FILE_RANGE]: operation(
    'copyFileRange',
    (fs, { nodeid, cursor, caller }) => {
      const range = decodeCopyFileRange(cursor, nodeid);
      const length = Math.min(range.length, COPY_BYTES_MAX);
      return fs.copyFileRange({ ...range, length }, caller);
    },
    putCount,
  ),
  [OPCODE.FUSE_COPY_FILE_RANGE_64]: operation(
    'copyFileRange',
    (fs, { nodeid, cursor, caller }) =>
      fs.copyFileRange(decodeCopyFileRange(cursor, nodeid), caller),
    putLongCount,
  ),
  [OPCODE.FUSE_IOCTL]: ioctl(),
  [OPCODE.FUSE_STATFS]: operation(
    'statfs',
    (fs, { nodeid }) => fs.statfs(nodeid),
    ({ reply }, stat) => encodeStatFs(reply, stat),
  ),
};
