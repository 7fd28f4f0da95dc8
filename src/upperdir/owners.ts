import { typeOf, type Node } from '../overlay/node.js';
import { PlainLower, type PlainView } from '../overlay/plain-lower.js';
import { S_IFDIR, S_IFLNK } from '../sys/constants.js';
import { FsError } from '../sys/errno.js';
import { byteNameOf, type ByteName } from '../util/byte-name.js';
import { ID_MAX, showId, storeId, type IdRange } from './id-mapping.js';

/** How owners and modes on the disk relate to those that are shown. */
export interface OwnerRules {
  readonly uids: readonly IdRange[];
  readonly gids: readonly IdRange[];
  /** Every file is shown as this one's. */
  readonly squashUid: number | undefined;
  readonly squashGid: number | undefined;
  /** The attribute that has `UID:GID:MODE` (octal) of a file, in place of the file's own. */
  readonly statXattr: string | undefined;
}

/** What a file has on the disk. */
export interface StoredOwner {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** An attribute that it has besides. */
  readonly xattr: readonly [ByteName, Buffer] | undefined;
}

const STAT_TEXT = /^(\d{1,10}):(\d{1,10}):([0-7]+)/;
const PERMISSIONS = 0o7777;
/** What is left of a mode where an attribute has it: this process can use the file. */
const PLAIN_FILE_MODE = 0o644;
const PLAIN_DIR_MODE = 0o755;

/** Shows and keeps owners and modes by rules. */
export class Owners implements PlainView {
  readonly #rules: OwnerRules;
  readonly #xattr: ByteName | undefined;

  constructor(rules: OwnerRules) {
    this.#rules = rules;
    this.#xattr = rules.statXattr === undefined ? undefined : byteNameOf(rules.statXattr);
  }

  /** Changes what was loaded of a layer's file into what is shown. */
  load(node: Node): void {
    const { uids, gids, squashUid, squashGid } = this.#rules;
    this.#loadXattr(node);
    node.uid = squashUid ?? showId(uids, node.uid);
    node.gid = squashGid ?? showId(gids, node.gid);
  }

  #loadXattr(node: Node): void {
    const value = this.#xattr && node.xattrs?.get(this.#xattr);
    if (value === undefined || this.#xattr === undefined) return;
    const xattrs = new Map(node.xattrs);
    xattrs.delete(this.#xattr);
    node.xattrs = xattrs.size === 0 ? undefined : xattrs;
    const found = STAT_TEXT.exec(value.toString('latin1'));
    if (found === null) return;
    const [uid, gid] = [Number(found[1]), Number(found[2])];
    // It may be anybody's who may write to the layer.
    if (Math.max(uid, gid) > ID_MAX) return;
    node.uid = uid;
    node.gid = gid;
    node.mode = (node.mode & ~PERMISSIONS) | (Number.parseInt(found[3] ?? '', 8) & PERMISSIONS);
  }

  /** Whether files of this owner and group can be kept; undefined ids can. */
  canStore({ uid, gid }: { uid?: number | undefined; gid?: number | undefined }): boolean {
    const { uids, gids } = this.#rules;
    return (
      (uid === undefined || storeId(uids, uid) !== undefined) &&
      (gid === undefined || storeId(gids, gid) !== undefined)
    );
  }

  /** What to keep of a node; throws EINVAL for an owner that cannot be kept. */
  stored(node: Node): StoredOwner {
    const before = this.#before(node);
    const uid = before?.shown.uid === node.uid ? before.uid : storeId(this.#rules.uids, node.uid);
    const gid = before?.shown.gid === node.gid ? before.gid : storeId(this.#rules.gids, node.gid);
    if (uid === undefined || gid === undefined) {
      throw new FsError('EINVAL', `chown to ${node.uid}:${node.gid}, which has no mapping`);
    }
    const { mode } = node;
    const type = typeOf(mode);
    // A symbolic link takes no such attribute.
    if (this.#xattr === undefined || type === S_IFLNK) return { mode, uid, gid, xattr: undefined };
    const plain = type === S_IFDIR ? PLAIN_DIR_MODE : PLAIN_FILE_MODE;
    const text = `${uid}:${gid}:${(mode & PERMISSIONS).toString(8)}`;
    return {
      mode: (mode & ~PERMISSIONS) | plain | (mode & 0o111),
      uid: process.geteuid?.() ?? 0,
      gid: process.getegid?.() ?? 0,
      xattr: [this.#xattr, Buffer.from(text)],
    };
  }

  /** The owner that a node's origin has on the disk, and how that is shown. */
  #before({ origin }: Node): (Pick<Node, 'uid' | 'gid'> & { shown: Node }) | undefined {
    if (origin === undefined || !(origin.layer instanceof PlainLower)) return undefined;
    const raw = origin.layer.raw(origin.handle);
    this.#loadXattr(raw);
    const { uid, gid } = raw;
    this.load(raw);
    return { uid, gid, shown: raw };
  }
}
