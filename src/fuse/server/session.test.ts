import assert from 'node:assert/strict';
import test from 'node:test';
import { FsError } from '../../sys/errno.js';
import type { ByteName } from '../../util/byte-name.js';
import { IN_HEADER, OPCODE } from '../protocol/abi.js';
import type { Channel } from './channel.js';
import type { Attr, FileSystem } from '../filesystem.js';
import type { ServeOptions } from './serve.js';
import { serveChannel } from './serve.js';

const ATTR: Attr = {
  ino: 1,
  size: 0,
  blocks: 0,
  mode: 0o40755,
  nlink: 2,
  uid: 0,
  gid: 0,
  rdev: 0,
  atimeSec: 0,
  atimeNsec: 0,
  mtimeSec: 0,
  mtimeNsec: 0,
  ctimeSec: 0,
  ctimeNsec: 0,
  blksize: 4096,
};
const EMPTY: FileSystem = {
  lookup: () => undefined,
  forget: () => undefined,
  getattr: () => ATTR,
};

interface Answer {
  readonly unique: bigint;
  readonly error: number;
  readonly payload: Buffer;
}

function request(opcode: number, body: Buffer = Buffer.alloc(0), nodeid = 1): Buffer {
  const header = Buffer.alloc(IN_HEADER.bytes);
  header.writeUInt32LE(IN_HEADER.bytes + body.length, IN_HEADER.len);
  header.writeUInt32LE(opcode, IN_HEADER.opcode);
  header.writeBigUInt64LE(0x1122334455667788n, IN_HEADER.unique);
  header.writeBigUInt64LE(BigInt(nodeid), IN_HEADER.nodeid);
  header.writeUInt32LE(1000, IN_HEADER.uid);
  return Buffer.concat([header, body]);
}

/** Serves the requests; gives what was sent. `refuse` decides what sending says. */
function answers(
  fileSystem: FileSystem,
  requests: Buffer[],
  options: ServeOptions & { refuse?: (answer: Answer) => number } = {},
): { sent: Answer[]; logged: string[] } {
  const sent: Answer[] = [];
  const logged: string[] = [];
  const queue = [...requests];
  const channel: Channel = {
    receive: (into) => queue.shift()?.copy(into),
    send: (reply, length) => {
      assert.equal(reply.readUInt32LE(0), length, 'the length in the header');
      const answer = {
        unique: reply.readBigUInt64LE(8),
        error: reply.readInt32LE(4),
        payload: Buffer.from(reply.subarray(16, length)),
      };
      sent.push(answer);
      return options.refuse?.(answer) ?? 0;
    },
  };
  const logger = { error: (_: object, message: string) => void logged.push(message) };
  serveChannel(channel, fileSystem, { logger, ...options });
  return { sent, logged };
}

const NAME = Buffer.from('a\0');

test('every request is answered once, with its unique', () => {
  const { sent } = answers(EMPTY, [
    request(OPCODE.FUSE_LOOKUP, NAME),
    request(OPCODE.FUSE_GETATTR, Buffer.alloc(16)),
  ]);
  assert.deepEqual(
    sent.map(({ unique, error, payload }) => [unique, error, payload.length]),
    [
      [0x1122334455667788n, 0, 128],
      [0x1122334455667788n, 0, 104],
    ],
  );
});

const THROWN: [string, () => never, number, number][] = [
  ['an FsError is its negative errno', fail(() => new FsError('ENOTEMPTY', 'x')), -39, 0],
  ['ENOSYS is not passed on', fail(() => new FsError('ENOSYS', 'x')), -95, 0],
  ['an errno that the kernel refuses is EIO', fail(() => new FsError(512, 'x')), -5, 1],
  ['any other error is EIO, and logged', fail(() => new TypeError('x')), -5, 1],
];
function fail(error: () => Error): () => never {
  return () => {
    throw error();
  };
}
for (const [name, lookup, want, logs] of THROWN) {
  test(`of what a handler throws, ${name}`, () => {
    const { sent, logged } = answers({ ...EMPTY, lookup }, [request(OPCODE.FUSE_LOOKUP, NAME)]);
    assert.deepEqual(
      sent.map(({ error }) => error),
      [want],
    );
    assert.equal(sent[0]?.payload.length, 0);
    assert.equal(logged.length, logs);
  });
}

test('an operation that the file system lacks is ENOSYS, an unknown opcode too', () => {
  const { sent, logged } = answers(EMPTY, [
    request(OPCODE.FUSE_OPEN, Buffer.alloc(8)),
    request(OPCODE.FUSE_MKDIR, Buffer.alloc(10)),
    request(7),
    request(4096),
    request(0xffffffff),
  ]);
  assert.deepEqual(
    sent.map(({ error }) => error),
    [-38, -38, -38, -38, -38],
  );
  assert.deepEqual(logged, []);
});

test('IOCTL answers as many bytes as were asked for, ENOTTY where there is no such command', () => {
  const ask = (command: number, outSize: number): Buffer => {
    const body = Buffer.alloc(32 + 2);
    body.writeUInt32LE(command, 12);
    body.writeUInt32LE(2, 24);
    body.writeUInt32LE(outSize, 28);
    body.write('in', 32);
    return request(OPCODE.FUSE_IOCTL, body);
  };
  const ioctl: FileSystem['ioctl'] = ({ command, argument }) => {
    if (command !== 1) throw new FsError('ENOTTY', 'ioctl');
    return Buffer.concat([argument, Buffer.from('out')]);
  };
  const asked = [ask(1, 7), ask(1, 4), ask(2, 0), ask(1, 1 << 24)];
  const { sent } = answers({ ...EMPTY, ioctl }, asked);
  assert.deepEqual(
    sent.map(({ error }) => error),
    [0, -5, -25, -25],
  );
  assert.deepEqual(sent[0]?.payload, Buffer.from(`${'\0'.repeat(16)}inout\0\0`));
  assert.equal(answers(EMPTY, [ask(1, 7)]).sent[0]?.error, -25);
});

test('LSEEK to where no file reaches is ENXIO', () => {
  const ask = (offset: bigint): Buffer => {
    const body = Buffer.alloc(24);
    body.writeBigInt64LE(offset, 8);
    body.writeUInt32LE(3, 16);
    return request(OPCODE.FUSE_LSEEK, body);
  };
  const lseek: FileSystem['lseek'] = (_nodeid, _fh, offset) => offset;
  const asked = [ask(5n), ask(-1n), ask(2n ** 60n)];
  const { sent } = answers({ ...EMPTY, lseek }, asked, { writebackCache: false });
  assert.deepEqual(
    sent.map(({ error }) => error),
    [0, -6, -6],
  );
});

test('FORGET, BATCH_FORGET and INTERRUPT are not answered', () => {
  const forgotten: [number, number][] = [];
  const forget = (nodeid: number, nlookup: number): void => void forgotten.push([nodeid, nlookup]);
  const batch = Buffer.alloc(8 + 32);
  batch.writeUInt32LE(2, 0);
  for (const [index, value] of [5n, 2n, 6n, 3n].entries()) {
    batch.writeBigUInt64LE(value, 8 + index * 8);
  }
  const once = Buffer.alloc(8);
  once.writeBigUInt64LE(7n);
  const { sent } = answers({ ...EMPTY, forget }, [
    request(OPCODE.FUSE_FORGET, once, 4),
    request(OPCODE.FUSE_BATCH_FORGET, batch),
    request(OPCODE.FUSE_BATCH_FORGET, Buffer.alloc(8)),
    request(OPCODE.FUSE_INTERRUPT, Buffer.alloc(8)),
  ]);
  assert.deepEqual(sent, []);
  assert.deepEqual(forgotten, [
    [4, 7],
    [5, 2],
    [6, 3],
  ]);
});

test('a FORGET that fails is logged, and the server goes on', () => {
  const forget = fail(() => new Error('x'));
  const { sent, logged } = answers({ ...EMPTY, forget }, [
    request(OPCODE.FUSE_FORGET, Buffer.alloc(8)),
    request(OPCODE.FUSE_BATCH_FORGET, Buffer.from([9, 0, 0, 0, 0, 0, 0, 0])),
    request(OPCODE.FUSE_LOOKUP, NAME),
  ]);
  assert.equal(sent.length, 1);
  assert.equal(logged.length, 2);
});

test('a reply that the kernel refuses is replaced by EIO', () => {
  const { sent, logged } = answers(EMPTY, [request(OPCODE.FUSE_LOOKUP, NAME)], {
    refuse: ({ error }) => (error === 0 ? -22 : 0),
  });
  assert.deepEqual(
    sent.map(({ error }) => error),
    [0, -5],
  );
  assert.equal(logged.length, 1);
});

test('a reply that nobody waits for is dropped', () => {
  const requests = [request(OPCODE.FUSE_LOOKUP, NAME), request(OPCODE.FUSE_LOOKUP, NAME)];
  assert.equal(answers(EMPTY, requests, { refuse: () => -2 }).sent.length, 2);
});

test('the blocking server refuses promises', () => {
  const lookup = () => Promise.reject(new Error('later'));
  const { sent, logged } = answers({ ...EMPTY, lookup }, [request(OPCODE.FUSE_LOOKUP, NAME)]);
  assert.deepEqual(
    sent.map(({ error }) => error),
    [-5],
  );
  assert.match(logged[0] ?? '', /serveAsync/);
});

test('a truncated or contradictory request is EIO', () => {
  const wrongLength = request(OPCODE.FUSE_LOOKUP, NAME);
  wrongLength.writeUInt32LE(4711, IN_HEADER.len);
  const { sent } = answers({ ...EMPTY, mkdir: () => ({ nodeid: 2, attr: ATTR }) }, [
    request(OPCODE.FUSE_LOOKUP, Buffer.from('a')),
    request(OPCODE.FUSE_MKDIR, Buffer.alloc(7)),
    wrongLength,
  ]);
  assert.deepEqual(
    sent.map(({ error }) => error),
    [-5, -5, -5],
  );
});

test('without a negative timeout a miss is ENOENT', () => {
  const options = { negativeTimeoutSec: 0 };
  const { sent } = answers(EMPTY, [request(OPCODE.FUSE_LOOKUP, NAME)], options);
  assert.deepEqual(
    sent.map(({ error }) => error),
    [-2],
  );
});

test('READ hands out the reply buffer, of just the size that was asked for', () => {
  const body = Buffer.alloc(40);
  body.writeUInt32LE(10, 16);
  const read = (_: object, into: Buffer): number => {
    assert.equal(into.length, 10);
    return into.write('abc');
  };
  const tooLong = Buffer.from(body);
  tooLong.writeUInt32LE(1 << 24, 16);
  const { sent } = answers({ ...EMPTY, read }, [
    request(OPCODE.FUSE_READ, body),
    request(OPCODE.FUSE_READ, tooLong),
  ]);
  assert.deepEqual(sent[0]?.payload, Buffer.from('abc'));
  assert.equal(sent[1]?.error, -5);
});

test('GETXATTR gives the size, the value, ERANGE or ENODATA', () => {
  const getxattr = (_: number, name: ByteName) =>
    name === 'user.a' ? Buffer.from('12345') : undefined;
  const ask = (room: number, name: string): Buffer =>
    request(
      OPCODE.FUSE_GETXATTR,
      Buffer.from([room, 0, 0, 0, 0, 0, 0, 0, ...Buffer.from(name), 0]),
    );
  const { sent } = answers({ ...EMPTY, getxattr }, [
    ask(0, 'user.a'),
    ask(5, 'user.a'),
    ask(4, 'user.a'),
    ask(0, 'user.b'),
  ]);
  assert.deepEqual(
    sent.map(({ error }) => error),
    [0, 0, -34, -61],
  );
  assert.deepEqual(sent[0]?.payload, Buffer.from([5, 0, 0, 0, 0, 0, 0, 0]));
  assert.deepEqual(sent[1]?.payload, Buffer.from('12345'));
});

test('READDIR keeps the entries in front of a failure', () => {
  const readdir: FileSystem['readdir'] = (_nodeid, _fh, offset, sink) => {
    if (offset === 0) sink.add({ name: 'a' as ByteName, ino: 2, type: 8, nextOffset: 1 });
    throw new FsError('EIO', 'readdir');
  };
  const ask = (offset: number): Buffer => {
    const body = Buffer.alloc(40);
    body.writeBigUInt64LE(BigInt(offset), 8);
    body.writeUInt32LE(4096, 16);
    return request(OPCODE.FUSE_READDIR, body);
  };
  const { sent } = answers({ ...EMPTY, readdir }, [ask(0), ask(1)]);
  assert.deepEqual(
    sent.map(({ error, payload }) => [error, payload.length]),
    [
      [0, 32],
      [-5, 0],
    ],
  );
});

test('INIT of a kernel that is too old is refused, of a newer major answered with ours', () => {
  const init = (major: number, minor: number): Buffer => {
    const body = Buffer.alloc(64);
    body.writeUInt32LE(major, 0);
    body.writeUInt32LE(minor, 4);
    return request(OPCODE.FUSE_INIT, body);
  };
  const { sent } = answers(EMPTY, [init(7, 30), init(6, 99), init(8, 0), init(7, 45)]);
  assert.deepEqual(
    sent.map(({ error }) => error),
    [-71, -71, 0, 0],
  );
  assert.equal(sent[2]?.payload.readUInt32LE(0), 7);
  assert.equal(sent[3]?.payload.length, 64);
});

test('extensions behind the arguments are not part of them', () => {
  const names: string[] = [];
  const lookup = (_: number, name: ByteName): undefined => void names.push(name);
  const extended = request(OPCODE.FUSE_LOOKUP, Buffer.from('ab\0\0\0\0\0\0' + 'GROUPS..'));
  extended.writeUInt16LE(1, IN_HEADER.totalExtlen);
  answers({ ...EMPTY, lookup }, [extended]);
  assert.deepEqual(names, ['ab']);
});

test('destroy() comes once, at the end, also after a broken channel', () => {
  let destroyed = 0;
  const destroy = (): void => {
    destroyed++;
  };
  answers({ ...EMPTY, destroy }, [request(OPCODE.FUSE_DESTROY)]);
  assert.equal(destroyed, 1);
  const options = { refuse: () => -1 };
  assert.throws(() => answers({ ...EMPTY, destroy }, [request(OPCODE.FUSE_DESTROY)], options), {
    code: 'EPERM',
  });
  assert.equal(destroyed, 2);
});

test('less than a header is not answered, a broken FORGET neither: logged', () => {
  const forget = request(OPCODE.FUSE_FORGET, Buffer.alloc(8), 4);
  forget.fill(0xff, IN_HEADER.nodeid, IN_HEADER.nodeid + 8);
  const { sent, logged } = answers(EMPTY, [Buffer.alloc(39), forget]);
  assert.deepEqual(sent, []);
  assert.equal(logged.length, 1);
});

test('a name that no directory can have is EIO, but LOOKUP takes dots', () => {
  const codes = ['', '.', '..', 'a/b'].map((name) => {
    const body = Buffer.from(`${name}\0`);
    const unlink = (): void => undefined;
    const { sent } = answers({ ...EMPTY, unlink }, [
      request(OPCODE.FUSE_LOOKUP, body),
      request(OPCODE.FUSE_UNLINK, body),
    ]);
    return sent.map(({ error }) => error);
  });
  assert.deepEqual(codes, [
    [-5, -5],
    [0, -5],
    [0, -5],
    [-5, -5],
  ]);
});

test('what the kernel keeps of a changed directory is dropped before it is listed again', () => {
  const fileSystem: FileSystem = { ...EMPTY, unlink: () => undefined, readdir: () => undefined };
  const read = Buffer.alloc(40);
  read.writeUInt32LE(4096, 16);
  const { sent } = answers(fileSystem, [
    request(OPCODE.FUSE_READDIR, read),
    request(OPCODE.FUSE_UNLINK, NAME),
    request(OPCODE.FUSE_READDIR, read),
    request(OPCODE.FUSE_READDIR, read),
  ]);
  const drop = '0100000000000000'.padEnd(48, '0');
  assert.deepEqual(
    sent.map(({ unique, error, payload }) => [unique === 0n, error, payload.toString('hex')]),
    [
      [false, 0, ''],
      [false, 0, ''],
      [true, 2, drop],
      [false, 0, ''],
      [false, 0, ''],
    ],
  );
});
