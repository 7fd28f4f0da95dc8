/**
 * Random requests of the kernel: mostly well-formed (so that the file system gets somewhere), some
 * with hostile values, some broken: bits flipped, cut, extended, with a wrong length.
 */
import { IN_HEADER, OPCODE } from '../fuse/protocol/abi.js';
import type { Random } from './random.js';

/** What a body is made of: the fields of the kernel's struct, then names and data. */
type Value = (random: Random, known: KnownNodes) => bigint | number | Buffer;

/** Nodes that the file system has told of; directories apart from the rest. */
interface KnownNodes {
  readonly dirs: readonly bigint[];
  readonly others: readonly bigint[];
}

const HOSTILE_64: readonly [bigint, ...bigint[]] = [
  ...([0n, 1n, 2n, 0xffffn, 1n << 45n, (1n << 53n) - 1n, 1n << 53n, (1n << 63n) - 4096n] as const),
  ...[(1n << 63n) - 1n, 1n << 63n, (1n << 64n) - 1n],
];
const HOSTILE_32: readonly [number, ...number[]] = [
  ...([0, 1, 7, 4096, 0x10000, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff] as const),
];
const NAMES: readonly [string, ...string[]] = ['a', 'b', 'c', 'dir', 'f', 'lower', 'link', 'x.y'];
const HOSTILE_NAMES: readonly [string, ...string[]] = [
  ...(['', '.', '..', '/', 'a/b', '../../etc/passwd', 'a\0b', '\xff\xfe'] as const),
  ...['n'.repeat(255), 'n'.repeat(256), 'n'.repeat(5000)],
];
const XATTRS: readonly [string, ...string[]] = [
  ...(['user.a', 'user.b/c', 'security.capability', 'trusted.overlay.opaque'] as const),
  ...['system.posix_acl_access', 'system.posix_acl_default', 'user.'],
];
const HOSTILE_PERCENT = 4;
const FILE_BYTES = 200_000;
const DATA_BYTES_MAX = 3000;
const NODES_MAX = 16;

const u64: Value = (random) => (random.chance(HOSTILE_PERCENT) ? random.pick(HOSTILE_64) : 0n);
const u32: Value = (random) => (random.chance(HOSTILE_PERCENT) ? random.pick(HOSTILE_32) : 0);
const any32: Value = (random) => random.u32();
const offset: Value = (random) =>
  random.chance(HOSTILE_PERCENT) ? random.pick(HOSTILE_64) : BigInt(random.below(FILE_BYTES));
const size: Value = (random) =>
  random.chance(HOSTILE_PERCENT) ? random.pick(HOSTILE_32) : random.below(8192);
const small: Value = (random) =>
  random.chance(HOSTILE_PERCENT) ? random.pick(HOSTILE_32) : random.below(8);
const type: Value = (random) =>
  random.pick([0o100644, 0o100644, 0o100755, 0o106777, 0o10600, 0o20600, 0o140755, 0o777]);

/** A node, mostly of the wanted kind. */
function node(wantDir: boolean, random: Random, { dirs, others }: KnownNodes): bigint {
  if (random.chance(HOSTILE_PERCENT)) return random.pick(HOSTILE_64);
  const from = wantDir === random.chance(100 - HOSTILE_PERCENT) ? dirs : others;
  return from[random.below(from.length)] ?? 1n;
}
const dir: Value = (random, known) => node(true, random, known);
const file: Value = (random, known) => node(false, random, known);
const name: Value = (random) => {
  const hostile = random.chance(HOSTILE_PERCENT);
  return Buffer.from(`${random.pick(hostile ? HOSTILE_NAMES : NAMES)}\0`, 'latin1');
};
const xattr: Value = (random) => {
  const hostile = random.chance(HOSTILE_PERCENT);
  return Buffer.from(`${random.pick(hostile ? HOSTILE_NAMES : XATTRS)}\0`, 'latin1');
};
const data: Value = (random) => Buffer.alloc(random.below(DATA_BYTES_MAX), random.below(256));

/** setattr_in.valid: mostly one or two bits. */
const valid: Value = (random) =>
  random.chance(70) ? (1 << random.below(12)) | (1 << random.below(12)) : random.u32();

/** The u32 `size` at `at` says how long the data at the end is; sometimes it lies. */
interface Layout {
  readonly fields: readonly Value[];
  readonly sizeAt?: number;
}

function layout(...fields: Value[]): Layout {
  return { fields };
}

const LAYOUTS: Readonly<Record<number, Layout>> = {
  [OPCODE.FUSE_LOOKUP]: layout(name),
  [OPCODE.FUSE_FORGET]: layout((random) => BigInt(random.below(2))),
  [OPCODE.FUSE_GETATTR]: layout(u32, u32, u64),
  [OPCODE.FUSE_SETATTR]: layout(
    ...[valid, u32, u64, offset, u64, u64, offset, u64, any32, size, any32],
    ...[type, u32, small, small, u32],
  ),
  [OPCODE.FUSE_READLINK]: layout(),
  [OPCODE.FUSE_SYMLINK]: layout(name, name),
  [OPCODE.FUSE_MKNOD]: layout(type, any32, u32, u32, name),
  [OPCODE.FUSE_MKDIR]: layout(type, u32, name),
  [OPCODE.FUSE_UNLINK]: layout(name),
  [OPCODE.FUSE_RMDIR]: layout(name),
  [OPCODE.FUSE_RENAME]: layout(dir, name, name),
  [OPCODE.FUSE_LINK]: layout(file, name),
  [OPCODE.FUSE_OPEN]: layout(any32, u32),
  [OPCODE.FUSE_READ]: layout(u64, offset, size, u32, u64, u32, u32),
  [OPCODE.FUSE_WRITE]: { ...layout(u64, offset, size, small, u64, u32, u32, data), sizeAt: 16 },
  [OPCODE.FUSE_STATFS]: layout(),
  [OPCODE.FUSE_RELEASE]: layout(u64, u32, u32, u64),
  [OPCODE.FUSE_FSYNC]: layout(u64, u32, u32),
  [OPCODE.FUSE_SETXATTR]: { ...layout(size, small, small, u32, xattr, data), sizeAt: 0 },
  [OPCODE.FUSE_GETXATTR]: layout(size, u32, xattr),
  [OPCODE.FUSE_LISTXATTR]: layout(size, u32),
  [OPCODE.FUSE_REMOVEXATTR]: layout(xattr),
  [OPCODE.FUSE_FLUSH]: layout(u64, u32, u32, u64),
  [OPCODE.FUSE_INIT]: layout(small, any32, any32, any32, any32),
  [OPCODE.FUSE_OPENDIR]: layout(any32, u32),
  [OPCODE.FUSE_READDIR]: layout(u64, (random) => BigInt(random.below(5)), size, u32, u64, u32, u32),
  [OPCODE.FUSE_RELEASEDIR]: layout(u64, u32, u32, u64),
  [OPCODE.FUSE_FSYNCDIR]: layout(u64, u32, u32),
  [OPCODE.FUSE_GETLK]: layout(u64, u64, u64, u64, u32, u32, u32, u32),
  [OPCODE.FUSE_SETLK]: layout(u64, u64, u64, u64, u32, u32, u32, u32),
  [OPCODE.FUSE_SETLKW]: layout(u64, u64, u64, u64, u32, u32, u32, u32),
  [OPCODE.FUSE_ACCESS]: layout(small, u32),
  [OPCODE.FUSE_CREATE]: layout(any32, type, u32, u32, name),
  [OPCODE.FUSE_INTERRUPT]: layout(u64),
  [OPCODE.FUSE_BMAP]: layout(u64, u32, u32),
  [OPCODE.FUSE_DESTROY]: layout(),
  [OPCODE.FUSE_IOCTL]: layout(u64, small, any32, u64, size, size, data),
  [OPCODE.FUSE_POLL]: layout(u64, u64, u32, u32),
  [OPCODE.FUSE_NOTIFY_REPLY]: layout(u64, u64, size, u32, u64, u64, data),
  [OPCODE.FUSE_BATCH_FORGET]: layout(small, u32, dir, u64, file, u64),
  [OPCODE.FUSE_FALLOCATE]: layout(u64, offset, offset, small, u32),
  [OPCODE.FUSE_READDIRPLUS]: layout(
    ...[u64, (random: Random) => BigInt(random.below(5)), size, u32, u64, u32, u32],
  ),
  [OPCODE.FUSE_RENAME2]: layout(dir, small, u32, name, name),
  [OPCODE.FUSE_LSEEK]: layout(u64, offset, (random) => random.pick([3, 4, 3, 4, 0, 9]), u32),
  [OPCODE.FUSE_COPY_FILE_RANGE]: layout(u64, offset, file, u64, offset, offset, u64),
  [OPCODE.FUSE_SYNCFS]: layout(u64),
  [OPCODE.FUSE_TMPFILE]: layout(any32, type, u32, u32, name),
  [OPCODE.FUSE_STATX]: layout(u32, u32, u64, u32, u32),
  [OPCODE.FUSE_COPY_FILE_RANGE_64]: layout(u64, offset, file, u64, offset, offset, u64),
};
/** Requests whose node is a directory. */
const OF_DIRS: readonly number[] = [
  ...[OPCODE.FUSE_LOOKUP, OPCODE.FUSE_SYMLINK, OPCODE.FUSE_MKNOD, OPCODE.FUSE_MKDIR],
  ...[OPCODE.FUSE_UNLINK, OPCODE.FUSE_RMDIR, OPCODE.FUSE_RENAME, OPCODE.FUSE_LINK],
  ...[OPCODE.FUSE_OPENDIR, OPCODE.FUSE_READDIR, OPCODE.FUSE_RELEASEDIR, OPCODE.FUSE_FSYNCDIR],
  ...[OPCODE.FUSE_CREATE, OPCODE.FUSE_READDIRPLUS, OPCODE.FUSE_RENAME2, OPCODE.FUSE_TMPFILE],
];
const OPCODES = Object.values(OPCODE);
/** Numbers that no request has, or that the kernel uses elsewhere. */
const STRANGE_OPCODES: readonly [number, ...number[]] = [0, 7, 19, 48, 49, 54, 4096, 0xffffffff];

function encode(value: bigint | number | Buffer): Buffer {
  if (Buffer.isBuffer(value)) return value;
  const bytes = Buffer.alloc(typeof value === 'bigint' ? 8 : 4);
  if (typeof value === 'bigint') bytes.writeBigUInt64LE(value);
  else bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

function encodeBody(opcode: number, random: Random, known: KnownNodes): Buffer {
  const { fields, sizeAt } = LAYOUTS[opcode] ?? { fields: [data] };
  const values = fields.map((field) => encode(field(random, known)));
  const body = Buffer.concat(values);
  if (sizeAt !== undefined && !random.chance(HOSTILE_PERCENT)) {
    body.writeUInt32LE(values.at(-1)?.length ?? 0, sizeAt);
  }
  return body;
}

/** A request with a body, as the kernel would frame it. */
export function frame(
  opcode: number,
  body: Buffer,
  { unique = 2n, nodeid = 1n, uid = 0 }: { unique?: bigint; nodeid?: bigint; uid?: number } = {},
): Buffer {
  const request = Buffer.alloc(IN_HEADER.bytes + body.length);
  request.writeUInt32LE(request.length, IN_HEADER.len);
  request.writeUInt32LE(opcode, IN_HEADER.opcode);
  request.writeBigUInt64LE(unique, IN_HEADER.unique);
  request.writeBigUInt64LE(nodeid, IN_HEADER.nodeid);
  request.writeUInt32LE(uid, IN_HEADER.uid);
  body.copy(request, IN_HEADER.bytes);
  return request;
}

/** Where a FALLOCATE's body says offset and length. */
const FALLOCATE_RANGE_AT = [IN_HEADER.bytes + 8, IN_HEADER.bytes + 16] as const;
const DISK_BYTES = 1n << 22n;
const TOO_BIG = 1n << 45n;

/** Makes a FALLOCATE that a disk could satisfy at its users' expense one that it refuses. */
function spareDisk(request: Buffer): Buffer {
  for (const at of FALLOCATE_RANGE_AT) {
    if (request.length < at + 8) break;
    if (request.readUInt32LE(IN_HEADER.opcode) !== OPCODE.FUSE_FALLOCATE) break;
    const value = request.readBigUInt64LE(at);
    if (value > DISK_BYTES && value < TOO_BIG) request.writeBigUInt64LE(TOO_BIG, at);
  }
  return request;
}

/** Makes one request after the other; tell it of the nodes that replies name. */
export class RequestGenerator {
  readonly #random: Random;
  readonly #known: { dirs: bigint[]; others: bigint[] } = { dirs: [1n], others: [] };
  #unique = 2n;

  constructor(random: Random) {
    this.#random = random;
  }

  /** A node that a reply told of. */
  learn(nodeid: bigint, isDir: boolean): void {
    const { dirs, others } = this.#known;
    const list = isDir ? dirs : others;
    if (nodeid === 0n || list.includes(nodeid)) return;
    if (list.length < NODES_MAX) list.push(nodeid);
    else list[this.#random.below(NODES_MAX)] = nodeid;
  }

  /** The next request, a well-formed one of every opcode more often than not. */
  next(): Buffer {
    const random = this.#random;
    const opcode = random.chance(1)
      ? random.pick(STRANGE_OPCODES)
      : (OPCODES[random.below(OPCODES.length)] ?? 0);
    const known = this.#known;
    this.#unique += 2n;
    const request = frame(opcode, encodeBody(opcode, random, known), {
      unique: this.#unique,
      nodeid: node(OF_DIRS.includes(opcode), random, known),
      uid: random.chance(80) ? 0 : random.below(3),
    });
    return spareDisk(random.chance(85) ? request : this.#breakIt(request));
  }

  #breakIt(request: Buffer): Buffer {
    const random = this.#random;
    switch (random.below(5)) {
      case 0: {
        const broken = request.subarray(0, random.below(request.length + 1));
        if (random.chance(80) && broken.length >= 4) broken.writeUInt32LE(broken.length);
        return broken;
      }
      case 1: {
        const longer = Buffer.concat([request, random.bytes(1 + random.below(64))]);
        if (random.chance(80)) longer.writeUInt32LE(longer.length);
        return longer;
      }
      case 2:
        for (let flips = 1 + random.below(4); flips > 0; flips--) {
          const at = IN_HEADER.opcode + random.below(request.length - IN_HEADER.opcode);
          request[at] = (request[at] ?? 0) ^ (1 << random.below(8));
        }
        return request;
      case 3:
        request.writeUInt16LE(random.pick([1, 2, 5, 0xffff]), IN_HEADER.totalExtlen);
        return request;
      default:
        request.writeUInt32LE(random.u32(), IN_HEADER.len);
        return request;
    }
  }
}
