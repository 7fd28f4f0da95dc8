import type { NodeId } from '../filesystem.js';
import { IN_HEADER, OPCODE } from '../protocol/abi.js';

/** Requests that change the names of the directory in their header. */
const EDITS: readonly boolean[] = flags(
  OPCODE.FUSE_CREATE,
  OPCODE.FUSE_MKNOD,
  OPCODE.FUSE_MKDIR,
  OPCODE.FUSE_SYMLINK,
  OPCODE.FUSE_LINK,
  OPCODE.FUSE_UNLINK,
  OPCODE.FUSE_RMDIR,
  OPCODE.FUSE_RENAME,
  OPCODE.FUSE_RENAME2,
);
/** fuse_rename_in and fuse_rename2_in begin with the new directory. */
const NEWDIR = IN_HEADER.bytes;
/** fuse_read_in: fh, then the offset. */
const READ_OFFSET = IN_HEADER.bytes + 8;

/** A request: its header, decoded, and its bytes. */
export interface SeenRequest {
  readonly opcode: number;
  readonly nodeid: NodeId;
  readonly request: Buffer;
}

/**
 * Knows when the kernel may have kept part of a listing that is no longer true. It checks what it
 * has kept only where a listing begins; one that begins while another is still being kept is
 * continued from there when that is complete, with names that were gone before it began, or
 * without names that were there (fs/fuse/readdir.c, Linux 6.18). Whoever is told to drop the
 * pages finds them missing, and asks.
 */
export class StaleListings {
  /** Directories that a listing of has begun; true: their names may have changed since. */
  readonly #edited = new Map<NodeId, boolean>();

  /** Takes notice of a request; true: the kernel is to drop what it keeps of the directory. */
  see({ opcode, nodeid, request }: SeenRequest, length: number): boolean {
    switch (opcode) {
      case OPCODE.FUSE_READDIR:
      case OPCODE.FUSE_READDIRPLUS:
        if (length < READ_OFFSET + 8) return false;
        return request.readBigUInt64LE(READ_OFFSET) === 0n && this.#begin(nodeid);
      case OPCODE.FUSE_RENAME:
      case OPCODE.FUSE_RENAME2:
        if (length >= NEWDIR + 8) this.#edit(Number(request.readBigUInt64LE(NEWDIR)));
    }
    if (EDITS[opcode] === true) this.#edit(nodeid);
    return false;
  }

  /** The kernel keeps nothing of a node that it forgets. */
  forget(nodeid: NodeId): void {
    this.#edited.delete(nodeid);
  }

  #begin(nodeid: NodeId): boolean {
    const edited = this.#edited.get(nodeid) === true;
    this.#edited.set(nodeid, false);
    return edited;
  }

  #edit(nodeid: NodeId): void {
    if (this.#edited.get(nodeid) === false) this.#edited.set(nodeid, true);
  }
}

function flags(...opcodes: number[]): boolean[] {
  const table: boolean[] = [];
  for (const opcode of opcodes) table[opcode] = true;
  return table;
}
