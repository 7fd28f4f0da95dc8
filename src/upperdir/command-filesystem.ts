import type { Caller, FileSystem, SetAttr } from '../fuse/filesystem.js';
import { bindOperations, type OperationName } from '../fuse/filesystems/intercept.js';
import { FsError } from '../sys/errno.js';
import type { ByteName } from '../util/byte-name.js';
import { withoutDirLinks } from './dir-links.js';
import type { Owners } from './owners.js';
import { WHITEOUT_PREFIX } from './upper-format.js';

/** What the options of a mount change of its file system. */
export interface Restrictions {
  readonly owners: Pick<Owners, 'canStore'>;
  readonly squashUid: number | undefined;
  readonly squashGid: number | undefined;
  readonly hasXattrs: boolean;
  readonly hasAcls: boolean;
  /** Directories count their subdirectories; else every one has one link. */
  readonly hasDirLinks: boolean;
}

const ACL_PREFIX = 'system.posix_acl_';

/**
 * A file system whose files can be kept in an upper directory: names that mean whiteouts there
 * are refused (EINVAL), as fuse-overlayfs does it.
 */
export function restrict(fileSystem: FileSystem, restrictions: Restrictions): FileSystem {
  const { owners, hasXattrs, hasAcls, hasDirLinks, squashUid, squashGid } = restrictions;
  let restricted = refuseOwners(refuseNames(bindOperations(fileSystem)), owners);
  if (!hasXattrs) restricted = withoutXattrs(restricted);
  else if (!hasAcls) restricted = withoutAcls(restricted);
  if (!hasDirLinks) restricted = withoutDirLinks(restricted);
  if (squashUid === undefined && squashGid === undefined) return restricted;
  return squash(restricted, { squashUid, squashGid });
}

function refuseNames(fileSystem: FileSystem): FileSystem {
  let fs = fileSystem;
  for (const operation of ['mknod', 'mkdir'] as const) {
    fs = withArguments(fs, operation, (make, caller) => {
      assertName(make.name, operation);
      return [make, caller];
    });
  }
  fs = withArguments(fs, 'create', (make, flags, caller) => {
    assertName(make.name, 'create');
    return [make, flags, caller];
  });
  fs = withArguments(fs, 'symlink', (parent, name, target, caller) => {
    assertName(name, 'symlink');
    return [parent, name, target, caller];
  });
  fs = withArguments(fs, 'link', (nodeid, parent, name, caller) => {
    assertName(name, 'link');
    return [nodeid, parent, name, caller];
  });
  return withArguments(fs, 'rename', (rename, caller) => {
    assertName(rename.newName, 'rename');
    return [rename, caller];
  });
}

function assertName(name: ByteName, syscall: string): void {
  if (name.startsWith(WHITEOUT_PREFIX)) throw new FsError('EINVAL', syscall);
}

function withoutXattrs(fs: FileSystem): FileSystem {
  const names: readonly OperationName[] = ['setxattr', 'getxattr', 'listxattr', 'removexattr'];
  const kept = Object.entries(fs).filter(([name]) => !names.includes(name as OperationName));
  return Object.fromEntries(kept) as unknown as FileSystem;
}

function withoutAcls(fileSystem: FileSystem): FileSystem {
  const fs = withArguments(fileSystem, 'setxattr', (change, caller) => {
    assertNoAcl(change.name, 'setxattr');
    return [change, caller];
  });
  const restricted = withArguments(fs, 'getxattr', (nodeid, name, caller) => {
    assertNoAcl(name, 'getxattr');
    return [nodeid, name, caller];
  });
  if (fs.listxattr === undefined) return restricted;
  return {
    ...restricted,
    listxattr: (nodeid, caller) => {
      const names = fs.listxattr?.(nodeid, caller) ?? [];
      return names instanceof Promise ? names.then(withoutAclNames) : withoutAclNames(names);
    },
  };
}

function assertNoAcl(name: ByteName, syscall: string): void {
  if (name.startsWith(ACL_PREFIX)) throw new FsError('EOPNOTSUPP', syscall);
}

function withoutAclNames(names: readonly ByteName[]): readonly ByteName[] {
  return names.filter((name) => !name.startsWith(ACL_PREFIX));
}

/** Everybody makes files of one owner, and nobody gives them away. */
function squash(
  fs: FileSystem,
  { squashUid, squashGid }: Pick<Restrictions, 'squashUid' | 'squashGid'>,
): FileSystem {
  return withOwners(fs, {
    as: (caller) => ({
      ...caller,
      uid: squashUid ?? caller.uid,
      gid: squashGid ?? caller.gid,
    }),
    keep: ({ uid, gid, ...change }) => ({
      ...change,
      ...(squashUid === undefined && uid !== undefined && { uid }),
      ...(squashGid === undefined && gid !== undefined && { gid }),
    }),
  });
}

/** Owners that have no place on the disk are refused, as the kernel refuses them. */
function refuseOwners(fs: FileSystem, owners: Pick<Owners, 'canStore'>): FileSystem {
  return withOwners(fs, {
    as: (caller) => {
      if (!owners.canStore(caller)) throw new FsError('EOVERFLOW', 'create');
      return caller;
    },
    keep: (change) => {
      if (!owners.canStore(change)) throw new FsError('EINVAL', 'chown');
      return change;
    },
  });
}

/** What becomes of who makes a file, and of a change of owner. */
interface OwnerChanges {
  readonly as: (caller: Caller) => Caller;
  readonly keep: (change: SetAttr) => SetAttr;
}

function withOwners(fileSystem: FileSystem, { as, keep }: OwnerChanges): FileSystem {
  let fs = fileSystem;
  for (const operation of ['mknod', 'mkdir'] as const) {
    fs = withArguments(fs, operation, (make, caller) => [make, as(caller)]);
  }
  for (const operation of ['create', 'tmpfile'] as const) {
    fs = withArguments(fs, operation, (make, flags, caller) => [make, flags, as(caller)]);
  }
  fs = withArguments(fs, 'symlink', (parent, name, target, caller) => [
    ...([parent, name, target] as const),
    as(caller),
  ]);
  return withArguments(fs, 'setattr', (nodeid, change, caller) => [nodeid, keep(change), caller]);
}

type ArgumentsOf<K extends OperationName> = Parameters<NonNullable<FileSystem[K]>>;

/** The same with the arguments of one operation changed, if there is that operation. */
function withArguments<K extends OperationName>(
  fs: FileSystem,
  operation: K,
  change: (...args: ArgumentsOf<K>) => ArgumentsOf<K>,
): FileSystem {
  const handlers: Partial<Record<OperationName, unknown>> = { ...fs };
  const handler = handlers[operation];
  if (typeof handler !== 'function') return fs;
  const changed = (...args: ArgumentsOf<K>): unknown =>
    Reflect.apply(handler as (...args: unknown[]) => unknown, fs, change(...args));
  return { ...fs, [operation]: changed };
}
