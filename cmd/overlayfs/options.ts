import { ID_MAX, parseIdMapping } from '../../src/upperdir/id-mapping.js';
import type { FuseChannel } from '../../src/overlay/server-messages.js';
import type { OverlayMount } from '../../src/upperdir/serve-mount.js';
import { suggest } from '../../src/util/suggest.js';
import { UserError } from '../../src/util/errors.js';
import { splitEscaped, unescapeText, type TypedOption } from './option-text.js';

/** What the options of a mount come to: where it is mounted is said elsewhere. */
export type MountSettings = Settable<Omit<OverlayMount, 'mountpoint'>> & { isDebug: boolean };

type Settable<T> = { -readonly [K in keyof T]: T[K] };

/** One option of `-o`. */
export interface OptionSpec {
  readonly value: 'none' | 'optional' | 'required';
  /** What it does, for the help and the README. */
  readonly does: string;
  /** Left out: it is accepted with a warning, `does` saying why nothing has to be done. */
  readonly apply?: (settings: MountSettings, value: string) => void;
  /** Nothing has to be done, and nobody has to be told. */
  readonly isSilent?: true;
}

const flag = (does: string, apply: (settings: MountSettings) => void): OptionSpec => ({
  value: 'none',
  does,
  apply,
});
const text = (does: string, apply: (s: MountSettings, value: string) => void): OptionSpec => ({
  value: 'required',
  does,
  apply,
});
const silent = (does: string): OptionSpec => ({ value: 'none', does, isSilent: true });
const warned = (value: OptionSpec['value'], does: string): OptionSpec => ({ value, does });

const TIMEOUT_MAX_SEC = 1_000_000_000;
const STAT_XATTRS = ['security.fuseoverlayfs.override_stat', 'user.containers.override_stat'];
const ALWAYS = 'always so';
const NO_ATIMES = 'access times are not kept up to date';
const OF_KERNEL = 'it is about what the kernel writes; all that it wrote is read';
const FOR_MOUNT = 'for mount(8)';

const LAYERS: Readonly<Record<string, OptionSpec>> = {
  lowerdir: text('directories to merge, top first, separated by `:` (`\\:` is a colon)', (s, v) => {
    if (splitEscaped(v, ':').slice(1, -1).includes('')) throw doubleColon();
    s.lowerdirs = splitEscaped(v, ':')
      .filter((part) => part !== '')
      .map(unescapeText);
  }),
  upperdir: text('takes the changes when the mount ends; without it read-only', (s, v) => {
    s.upperdir = unescapeText(v);
  }),
  workdir: text('for changes while mounted; on the file system of `upperdir`', (s, v) => {
    s.workdir = unescapeText(v);
  }),
  userxattr: flag('writes `user.overlay.opaque`, not `trusted.`', (s) => (s.userXattr = true)),
  volatile: flag('the end does not wait for the disk', (s) => (s.isSynced = false)),
  redirect_dir: warned('required', 'redirects are followed, and never written'),
  metacopy: warned('required', OF_KERNEL),
  index: warned('required', OF_KERNEL),
  nfs_export: warned('required', OF_KERNEL),
  uuid: warned('required', OF_KERNEL),
  verity: warned('required', OF_KERNEL),
  plugins: warned('required', 'there are no plugins'),
};

const OWNERS: Readonly<Record<string, OptionSpec>> = {
  uidmapping: text('`DISK:SHOWN:COUNT[:…]`: owners on the disk and in the mount', (s, v) => {
    s.owners = { ...s.owners, uids: parseIdMapping('uidmapping', v) };
  }),
  gidmapping: text('the same of groups', (s, v) => {
    s.owners = { ...s.owners, gids: parseIdMapping('gidmapping', v) };
  }),
  squash_to_root: flag('all files are 0:0, and stay so', (s) => {
    const { squashUid = 0, squashGid = 0 } = s.owners;
    s.owners = { ...s.owners, squashUid, squashGid };
  }),
  squash_to_uid: text('all files have this owner', (s, v) => {
    s.owners = { ...s.owners, squashUid: parseNumber('squash_to_uid', v, ID_MAX) };
  }),
  squash_to_gid: text('all files have this group', (s, v) => {
    s.owners = { ...s.owners, squashGid: parseNumber('squash_to_gid', v, ID_MAX) };
  }),
  xattr_permissions: text(
    'owners and modes are kept in an attribute: 1 `security.fuseoverlayfs.override_stat`, ' +
      '2 `user.containers.override_stat`; 0 not',
    (s, v) => {
      const number = parseNumber('xattr_permissions', v, STAT_XATTRS.length);
      s.owners = { ...s.owners, statXattr: STAT_XATTRS[number - 1] };
    },
  ),
  noxattrs: text('1: the mount has no extended attributes', (s, v) => {
    s.hasXattrs = parseNumber('noxattrs', v, 1) === 0;
  }),
  noacl: flag('the mount has no ACLs', (s) => (s.hasAcls = false)),
  static_nlink: flag('all directories have a link count of 1', (s) => (s.hasDirLinks = false)),
};

const FUSE: Readonly<Record<string, OptionSpec>> = {
  timeout: text('seconds that the kernel keeps names and attributes (for ever)', (s, v) => {
    s.timeoutSec = parseSeconds('timeout', v);
  }),
  max_write: text('bytes of one write at most (1 MiB)', (s, v) => {
    s.maxWriteBytes = parseNumber('max_write', v, 2 ** 31);
  }),
  writeback: text('0: the kernel does not gather writes', (s, v) => {
    s.hasWriteback = parseNumber('writeback', v, 1) === 1;
  }),
  auto_unmount: flag('the mount goes when its process dies', (s) => (s.hasAutoUnmount = true)),
  allow_other: flag('all users may enter (the default)', (s) => (s.allowOther = true)),
  fuse_channel: text('`libfuse`: by the package fuse-native, to compare; `device`', (s, v) => {
    s.channel = parseChannel(v);
  }),
  fsname: text('the source in the mount table', (s, v) => (s.fsname = unescapeText(v))),
  debug: flag('as `-d`', (s) => (s.isDebug = true)),
  default_permissions: silent(ALWAYS),
  ino32_t: silent('numbers are below 2^32 as long as there are fewer files'),
  kernel_cache: silent(ALWAYS),
  nonempty: silent(ALWAYS),
  allow_root: warned('none', 'root may enter in any case'),
  fsync: warned('required', 'nothing is written into `upperdir` before the end'),
  sync: warned('optional', 'nothing is written into `upperdir` before the end'),
  threaded: warned('required', 'one thread serves'),
  xino: warned('required', 'inode numbers are those of the mount'),
  fast_ino: warned('required', 'inode numbers are those of the mount'),
  fast_ino_check: warned('required', 'inode numbers are those of the mount'),
  splice_read: warned('none', 'the kernel decides'),
  splice_write: warned('none', 'the kernel decides'),
  splice_move: warned('none', 'the kernel decides'),
  context: warned('required', 'files have the labels that they have'),
};

const MOUNT: Readonly<Record<string, OptionSpec>> = {
  ro: flag('read-only', (s) => (s.readOnly = true)),
  rw: flag('writable (the default with `upperdir`)', (s) => (s.readOnly = false)),
  suid: flag('set-id bits and capabilities are obeyed (the default)', (s) => (s.suid = true)),
  nosuid: flag('they are not', (s) => (s.suid = false)),
  dev: flag('device nodes can be opened (the default for root)', (s) => (s.dev = true)),
  nodev: flag('they cannot', (s) => (s.dev = false)),
  exec: flag('programs can be run (the default)', (s) => (s.exec = true)),
  noexec: flag('they cannot', (s) => (s.exec = false)),
  noatime: silent(ALWAYS),
  nodiratime: silent(ALWAYS),
  relatime: silent(NO_ATIMES),
  lazytime: silent(NO_ATIMES),
  atime: warned('none', NO_ATIMES),
  diratime: warned('none', NO_ATIMES),
  strictatime: warned('none', NO_ATIMES),
  dirsync: warned('none', 'nothing is written into `upperdir` before the end'),
  async: silent(ALWAYS),
  defaults: silent(FOR_MOUNT),
  auto: silent(FOR_MOUNT),
  noauto: silent(FOR_MOUNT),
  nofail: silent(FOR_MOUNT),
  user: silent(FOR_MOUNT),
  nouser: silent(FOR_MOUNT),
  _netdev: silent(FOR_MOUNT),
};

/** Every option of `-o`: those of fuse-overlayfs, of the kernel's overlayfs and of mount(8). */
export const OPTIONS: Readonly<Record<string, OptionSpec>> = {
  ...LAYERS,
  ...OWNERS,
  ...FUSE,
  ...MOUNT,
};

/** The settings before any option. */
export function defaultSettings(isRoot: boolean): MountSettings {
  return {
    lowerdirs: [],
    upperdir: undefined,
    workdir: undefined,
    fsname: 'tsbuild-overlayfs',
    readOnly: false,
    suid: true,
    dev: isRoot,
    exec: true,
    allowOther: true,
    userXattr: false,
    isSynced: true,
    owners: {
      uids: [],
      gids: [],
      squashUid: undefined,
      squashGid: undefined,
      statXattr: undefined,
    },
    hasXattrs: true,
    hasAcls: true,
    hasDirLinks: true,
    hasWriteback: true,
    timeoutSec: undefined,
    maxWriteBytes: undefined,
    hasAutoUnmount: false,
    channel: 'device',
    isDebug: false,
  };
}

/** Applies one option; returns a warning if it does nothing. Throws TSB_USAGE. */
export function applyOption(
  settings: MountSettings,
  { name, value }: TypedOption,
): string | undefined {
  // Comments of fstab and of other programs.
  if (/^(x-|X-|comment$)/.test(name)) return undefined;
  const spec = Object.hasOwn(OPTIONS, name) ? OPTIONS[name] : undefined;
  if (spec === undefined) throw unknownOption(name);
  if (spec.value === 'required' && (value === undefined || value === '')) {
    throw usageError(`Cannot use option "${name}": found no value, want ${name}=…`);
  }
  if (spec.value === 'none' && value !== undefined) {
    throw usageError(`Cannot use option "${name}=${value}": found a value, want none`);
  }
  if (spec.apply !== undefined) spec.apply(settings, value ?? '');
  else if (spec.isSilent !== true) return `Option "${name}" does nothing here: ${spec.does}`;
  return undefined;
}

function parseNumber(name: string, value: string, max: number): number {
  const number = Number(value);
  if (/^\d+$/.test(value) && number <= max) return number;
  throw usageError(`Cannot use option "${name}=${value}": want a whole number from 0 to ${max}`);
}

function parseSeconds(name: string, value: string): number {
  const number = Number(value);
  if (/^\d+(\.\d+)?$/.test(value) && number <= TIMEOUT_MAX_SEC) return number;
  throw usageError(`Cannot use option "${name}=${value}": want seconds, up to ${TIMEOUT_MAX_SEC}`);
}

function parseChannel(value: string): FuseChannel {
  if (value === 'device' || value === 'libfuse') return value;
  throw usageError(`Cannot use option "fuse_channel=${value}": want device or libfuse`);
}

function doubleColon(): UserError {
  return usageError('Cannot use option "lowerdir": found "::", data-only layers are not supported');
}

function unknownOption(name: string): UserError {
  const meant = suggest(name, Object.keys(OPTIONS));
  const hint = meant === undefined ? 'tsbuild-overlayfs --help' : `Did you mean "${meant}"?`;
  return new UserError('TSB_USAGE', `Cannot use option "${name}": there is no such option`, {
    hint,
  });
}

/** A mistake of the command line. */
export function usageError(message: string): UserError {
  return new UserError('TSB_USAGE', message, { hint: 'tsbuild-overlayfs --help' });
}
