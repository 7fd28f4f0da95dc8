import type { Time } from '../../fuse/filesystem.js';
import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  SEEK_DATA,
  SEEK_HOLE,
  S_IFCHR,
  S_IFBLK,
  S_IFIFO,
  S_IFSOCK,
} from '../../sys/constants.js';
import type { ModelInode } from './model-inode.js';
import type { ModelTree } from './model-tree.js';
import { SLOTS, splitPath, type Operation, type OperationFields } from './operations.js';
import type { Random } from '../random.js';

/** What a file system can be asked. */
export interface Profile {
  /** Largest value of an extended attribute. */
  readonly xattrBytesMax: number;
  /** fallocate(2)'s modes. */
  readonly allocateModes: readonly number[];
  readonly renameFlags: readonly number[];
  /** Whether sizes beyond what is kept in memory are used. */
  readonly large: boolean;
  /** A step ends after about so many operations; 0: never. */
  readonly commitEvery: number;
  readonly forgets: boolean;
  /** Sockets, which archives do not have. */
  readonly sockets: boolean;
}

/** Everything that an overlay can do. */
export const OVERLAY_PROFILE: Profile = {
  xattrBytesMax: 65536,
  allocateModes: [
    0,
    FALLOC_FL_KEEP_SIZE,
    FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
    FALLOC_FL_ZERO_RANGE,
    FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
  ],
  renameFlags: [0, 0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE],
  large: true,
  commitEvery: 250,
  forgets: true,
  sockets: false,
};

const NAMES = ['a', 'b', 'c', 'd', 'e'];
const RARE_NAMES = ['n'.repeat(255), '\xff\xfe', '\xc3\xbc', 'new\nline', ' ', 'n'.repeat(256)];
const TARGETS = ['missing', '../missing', 'x/'.repeat(60), '/missing'];
const MODES = [0o644, 0o755, 0o600, 0o4755, 0o2755, 0o6711, 0o2644, 0o1777, 0];
const DIR_MODES = [0o755, 0o700, 0o1777, 0o500];
const IDS = [-1, 0, 1, 1000, 4_000_000];
const OFFSETS = [0, 0, 0, 1, 100, 4095, 4096, 5000, 10_000];
const LARGE_OFFSETS = [70_000, 262_100, 262_144, 300_000, 500_000];
const LENGTHS = [0, 1, 10, 100, 1000, 4096, 5000];
const LARGE_LENGTHS = [70_000, 262_144, 262_145];
const XATTRS = ['user.a', 'user.b', 'trusted.c', 'security.d', 'security.capability'];
const XATTR_LENGTHS = [0, 1, 10, 1000, 65536];
const SECONDS = [0, -1, 1 - 2 ** 31, 1_000, 2 ** 31, 2 ** 33];
const NANOSECONDS = [0, 1, 999_999_999];
const DEVICES: readonly (readonly [number, number, number])[] = [
  [S_IFIFO, 0, 0],
  [S_IFSOCK, 0, 0],
  [S_IFCHR, 0, 0],
  [S_IFCHR, 1, 3],
  [S_IFBLK, 259, 70_000],
];
const FIFO = { mode: S_IFIFO | 0o600, major: 0, minor: 0 };
const NODES_MAX = 60;
const VERIFY_EVERY = 300;
/** After so many of 100 operations, the files that they are about are looked at. */
const LOOK_PERCENT = 40;

type Maker = (generator: Generator) => Operation;
const entry = <K extends keyof OperationFields>(
  op: K,
  weight: number,
  fields: (g: Generator) => OperationFields[K],
): [number, Maker] => [weight, (g) => ({ op, ...fields(g) }) as unknown as Operation];

const MAKERS: readonly [number, Maker][] = [
  entry('mkdir', 8, (g) => ({ path: g.newPath(), mode: g.random.pick(DIR_MODES) })),
  entry('create', 14, (g) => ({
    path: g.newPath(),
    ...g.opened(),
    exclusive: g.random.chance(30),
  })),
  entry('open', 8, (g) => ({ path: g.anyPath(), slot: g.slot(), truncate: g.random.chance(20) })),
  entry('opendir', 2, (g) => ({ path: g.anyPath(), slot: g.slot() })),
  entry('tmpfile', 2, (g) => ({ path: g.anyPath(), ...g.opened() })),
  entry('close', 3, (g) => ({ slot: g.slot() })),
  entry('write', 14, (g) => ({ slot: g.slot(), ...g.range(), seed: g.random.below(1000) })),
  entry('read', 4, (g) => ({ slot: g.slot(), ...g.range() })),
  entry('ftruncate', 3, (g) => ({ slot: g.slot(), size: g.size() })),
  entry('truncate', 3, (g) => ({ path: g.anyPath(), size: g.size() })),
  entry('unlink', 8, (g) => ({ path: g.anyPath() })),
  entry('rmdir', 6, (g) => ({ path: g.anyPath() })),
  entry('rename', 16, (g) => ({
    path: g.anyPath(),
    to: g.newPath(),
    flags: g.random.pick(g.profile.renameFlags),
  })),
  entry('link', 8, (g) => ({ path: g.anyPath(), to: g.newPath() })),
  entry('linkSlot', 3, (g) => ({ slot: g.slot(), to: g.newPath() })),
  entry('symlink', 3, (g) => ({ path: g.newPath(), target: g.random.pick(TARGETS) })),
  entry('readlink', 1, (g) => ({ path: g.anyPath() })),
  entry('chmod', 4, (g) => ({ path: g.anyPath(), mode: g.random.pick(MODES) })),
  entry('fchmod', 2, (g) => ({ slot: g.slot(), mode: g.random.pick(MODES) })),
  entry('chown', 4, (g) => ({ path: g.anyPath(), ...g.ids() })),
  entry('fchown', 2, (g) => ({ slot: g.slot(), ...g.ids() })),
  entry('utimens', 4, (g) => ({ path: g.anyPath(), ...g.times() })),
  entry('futimens', 2, (g) => ({ slot: g.slot(), ...g.times() })),
  entry('setxattr', 5, (g) => ({
    path: g.anyPath(),
    ...g.xattr(),
    seed: g.random.below(1000),
    flags: g.random.pick([0, 0, 0, 1, 2]),
  })),
  entry('getxattr', 2, (g) => ({ path: g.anyPath(), name: g.random.pick(XATTRS) })),
  entry('listxattr', 1, (g) => ({ path: g.anyPath() })),
  entry('removexattr', 2, (g) => ({ path: g.anyPath(), name: g.random.pick(XATTRS) })),
  entry('mknod', 3, (g) => {
    const [type, major, minor] = g.random.pick(DEVICES);
    if (type === S_IFSOCK && !g.profile.sockets) return { path: g.newPath(), ...FIFO };
    return { path: g.newPath(), mode: type | g.random.pick(MODES), major, minor };
  }),
  entry('fallocate', 5, (g) => {
    const { offset, length } = g.range();
    const mode = g.random.pick(g.profile.allocateModes);
    return { slot: g.slot(), mode, offset, length: length + 1 };
  }),
  entry('copy', 5, (g) => {
    const { offset, length } = g.range();
    return { slot: g.slot(), offset, toSlot: g.slot(), toOffset: g.range().offset, length };
  }),
  entry('lseek', 3, (g) => {
    return {
      slot: g.slot(),
      offset: g.range().offset,
      whence: g.random.pick([SEEK_DATA, SEEK_HOLE]),
    };
  }),
  entry('readdir', 5, (g) => ({ path: g.anyPath() })),
  entry('readdirSlot', 1, (g) => ({ slot: g.slot() })),
  entry('stat', 5, (g) => ({ path: g.anyPath() })),
  entry('fstat', 2, (g) => ({ slot: g.slot() })),
  entry('readFile', 3, (g) => ({ path: g.anyPath() })),
];
const WEIGHTED: readonly Maker[] = MAKERS.flatMap(([weight, maker]) =>
  new Array<Maker>(weight).fill(maker),
);

/** What shows whether an operation did what it should. */
function looksAt(operation: Operation): Operation[] {
  const looks: Operation[] = [];
  const paths = [
    ...('path' in operation ? [operation.path] : []),
    ...('to' in operation ? [operation.to] : []),
  ];
  for (const path of paths) {
    looks.push({ op: 'stat', path }, { op: 'stat', path: splitPath(path).dir });
  }
  if ('slot' in operation) looks.push({ op: 'fstat', slot: operation.slot });
  return looks;
}

/** Makes up operations that suit the state of a model: most of them succeed. */
export class Generator {
  readonly random: Random;
  readonly profile: Profile;
  readonly #model: ModelTree;
  readonly #queue: Operation[] = [];

  constructor(model: ModelTree, profile: Profile, random: Random) {
    this.#model = model;
    this.profile = profile;
    this.random = random;
  }

  next(): Operation {
    const queued = this.#queue.pop();
    if (queued !== undefined) return queued;
    const operation = this.#make();
    if (this.random.chance(LOOK_PERCENT)) this.#queue.push(...looksAt(operation));
    return operation;
  }

  #make(): Operation {
    const { commitEvery, forgets } = this.profile;
    if (commitEvery > 0 && this.random.below(commitEvery) === 0) return { op: 'commit' };
    if (this.random.below(VERIFY_EVERY) === 0) return { op: 'verify' };
    if (forgets && this.random.chance(3)) {
      return { op: 'forget', percent: this.random.pick([10, 50, 100]), seed: this.random.u32() };
    }
    if (this.random.chance(20) && [...this.#model.walk()].length > NODES_MAX) {
      return { op: this.random.chance(70) ? 'unlink' : 'rmdir', path: this.anyPath() };
    }
    return this.random.pick(WEIGHTED)(this);
  }

  slot(): number {
    return this.random.below(SLOTS);
  }

  opened(): { mode: number; slot: number } {
    return { mode: this.random.pick(MODES), slot: this.slot() };
  }

  /** A path that is there, but for a few. */
  anyPath(): string {
    if (this.random.chance(10)) return this.newPath();
    let path = '';
    let at: ModelInode | undefined = this.#model.root;
    while (at?.children !== undefined && at.children.size > 0) {
      if (path !== '' && this.random.chance(25)) return path;
      const name: string = this.random.pick([...at.children.keys()]);
      path = path === '' ? name : `${path}/${name}`;
      at = at.children.get(name);
    }
    return path === '' ? 'a' : path;
  }

  /** A name in a directory that is there; often it is free. */
  newPath(): string {
    let path = '';
    let at: ModelInode | undefined = this.#model.root;
    for (let depth = 0; depth < 5 && this.random.chance(60); depth++) {
      const dirs: string[] = [...(at.children ?? [])]
        .filter(([, child]) => child.children !== undefined || this.random.chance(3))
        .map(([name]) => name);
      if (dirs.length === 0) break;
      const name = this.random.pick(dirs);
      path = path === '' ? name : `${path}/${name}`;
      at = at.children?.get(name) ?? at;
    }
    const name = this.random.pick(this.random.chance(3) ? RARE_NAMES : NAMES);
    return path === '' ? name : `${path}/${name}`;
  }

  range(): { offset: number; length: number } {
    const large = this.profile.large && this.random.chance(4);
    return {
      offset: this.random.pick(large ? LARGE_OFFSETS : OFFSETS),
      length: this.random.pick(large && this.random.chance(50) ? LARGE_LENGTHS : LENGTHS),
    };
  }

  size(): number {
    return this.random.chance(30) ? 0 : this.range().offset + this.range().length;
  }

  ids(): { uid: number; gid: number } {
    const uid = this.random.pick(IDS);
    return { uid, gid: uid < 0 ? 5 : this.random.pick(IDS) };
  }

  #time(): Time {
    return { sec: this.random.pick(SECONDS), nsec: this.random.pick(NANOSECONDS) };
  }

  times(): { atime?: Time; mtime?: Time } {
    const which = this.random.below(3);
    if (which === 0) return { mtime: this.#time() };
    return which === 1 ? { atime: this.#time() } : { atime: this.#time(), mtime: this.#time() };
  }

  xattr(): { name: string; length: number } {
    const length = this.random.pick(XATTR_LENGTHS);
    return { name: this.random.pick(XATTRS), length: Math.min(length, this.profile.xattrBytesMax) };
  }
}
