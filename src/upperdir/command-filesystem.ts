import type { Caller, FileSystem, SetAttr } from '../fuse/filesystem.js';
import { bindOperations } from '../fuse/intercept.js';
import { FsError } from '../sys/errno.js';
import type { ByteName } from '../util/byte-name.js';
import type { Owners } from './owners.js';
import { WHITEOUT_PREFIX } from './upper-format.js';

/** What the options of a mount change of its file system. */
export interface Restrictions {
  readonly owners: Pick<Owners, 'canStore'>;
  readonly squashUid: number | undefined;
  readonly squashGid: number | undefined;
  readonly hasXattrs: boolean;
  readonly hasAcls: boolean;
}

const ACL_PREFIX = 'system.posix_acl_';

/**
 * A file system whose files can be kept in an upper directory: names that mean whiteouts there
 * are refused (EINVAL), as fuse-overlayfs does it.
 */
export function restrict(fileSystem: FileSystem, restrictions: Restrictions): FileSystem {
  const { owners, hasXattrs, hasAcls, squashUid, squashGid } = restrictions;
  let restricted = refuseOwners(refuseNames(bindOperations(fileSystem)), owners);
  if (!hasXattrs) restricted = withoutXattrs(restricted);
  else if (!hasAcls) restricted = withoutAcls(restricted);
  if (squashUid === undefined && squashGid === undefined) return restricted;
  return squash(restricted, { squashUid, squashGid });
}

function assertName(name: ByteName, syscall: string): void {
  if (name.startsWith(WHITEOUT_PREFIX)) throw new FsError('EINVAL', syscall);
}

function refuseNames(fs: FileSystem): FileSystem {
  const { mknod, mkdir, create, symlink, link, rename } = fs;
  return {
    ...fs,
    ...(mknod && {
      mknod: (make, caller) => {
        assertName(make.name, 'mknod');
        return mknod(make, caller);
      },
    }),
    ...(mkdir && {
      mkdir: (make, caller) => {
        assertName(make.name, 'mkdir');
        return mkdir(make, caller);
      },
    }),
    ...(create && {
      create: (make, flags, caller) => {
        assertName(make.name, 'create');
        return create(make, flags, caller);
      },
    }),
    ...(symlink && {
      symlink: (parent, name, target, caller) => {
        assertName(name, 'symlink');
        return symlink(parent, name, target, caller);
      },
    }),
    ...(link && {
      link: (nodeid, parent, name, caller) => {
        assertName(name, 'link');
        return link(nodeid, parent, name, caller);
      },
    }),
    ...(rename && {
      rename: (change, caller) => {
        assertName(change.newName, 'rename');
        return rename(change, caller);
      },
    }),
  };
}

function withoutXattrs(fs: FileSystem): FileSystem {
  const { setxattr: _s, getxattr: _g, listxattr: _l, removexattr: _r, ...rest } = fs;
  return rest;
}

function withoutAcls(fs: FileSystem): FileSystem {
  const { setxattr, getxattr, listxattr } = fs;
  const assertNoAcl = (name: ByteName, syscall: string): void => {
    if (name.startsWith(ACL_PREFIX)) throw new FsError('EOPNOTSUPP', syscall);
  };
  return {
    ...fs,
    ...(setxattr && {
      setxattr: (change, caller) => {
        assertNoAcl(change.name, 'setxattr');
        return setxattr(change, caller);
      },
    }),
    ...(getxattr && {
      getxattr: (nodeid, name, caller) => {
        assertNoAcl(name, 'getxattr');
        return getxattr(nodeid, name, caller);
      },
    }),
    ...(listxattr && {
      listxattr: (nodeid, caller) => {
        const names = listxattr(nodeid, caller);
        return names instanceof Promise ? names.then(withoutAclNames) : withoutAclNames(names);
      },
    }),
  };
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
  as(caller: Caller): Caller;
  keep(change: SetAttr): SetAttr;
}

function withOwners(fs: FileSystem, { as, keep }: OwnerChanges): FileSystem {
  const { mknod, mkdir, create, tmpfile, symlink, setattr } = fs;
  return {
    ...fs,
    ...(mknod && { mknod: (make, caller) => mknod(make, as(caller)) }),
    ...(mkdir && { mkdir: (make, caller) => mkdir(make, as(caller)) }),
    ...(create && { create: (make, flags, caller) => create(make, flags, as(caller)) }),
    ...(tmpfile && { tmpfile: (make, flags, caller) => tmpfile(make, flags, as(caller)) }),
    ...(symlink && {
      symlink: (parent, name, target, caller) => symlink(parent, name, target, as(caller)),
    }),
    ...(setattr && { setattr: (nodeid, change, caller) => setattr(nodeid, keep(change), caller) }),
  };
}
