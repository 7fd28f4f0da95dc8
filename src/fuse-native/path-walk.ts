import { FUSE_ROOT_ID } from '../fuse/protocol/abi.js';
import type { Awaitable, Caller, FileSystem, NodeId } from '../fuse/filesystem.js';
import { FsError } from '../sys/errno.js';
import { byteNameOf, type ByteName } from '../util/byte-name.js';

/** Directories that stay known when no path leads through them any more. */
const LINGERING_MAX = 1000;

/**
 * Finds the nodes behind paths, by looking every name up. INVARIANT: each lookup that the file
 * system has counted is forgotten, once nobody holds its node.
 */
export class PathWalk {
  readonly #fileSystem: FileSystem;
  readonly #caller: Caller;
  readonly #held = new Map<NodeId, { nlookup: number; holders: number }>();
  /** Directories that this walk holds: oldest first. They will be needed again soon. */
  readonly #lingering = new Set<NodeId>();

  constructor(fileSystem: FileSystem, caller: Caller) {
    this.#fileSystem = fileSystem;
    this.#caller = caller;
  }

  /** Does something with the node of a path; ENOENT. */
  async use<T>(path: string, action: (nodeid: NodeId) => Awaitable<T>): Promise<T> {
    return this.#useNames(namesOf(path), action);
  }

  /** Does something with the directory and the last name of a path. */
  async usePlace<T>(
    path: string,
    action: (parent: NodeId, name: ByteName) => Awaitable<T>,
  ): Promise<T> {
    const names = namesOf(path);
    const name = names.pop();
    if (name === undefined) throw new FsError('EBUSY', 'lookup', path);
    return this.#useNames(names, (parent) => action(parent, name));
  }

  async #useNames<T>(
    names: readonly ByteName[],
    action: (nodeid: NodeId) => Awaitable<T>,
  ): Promise<T> {
    const nodeid = await this.#walk(names);
    try {
      return await action(nodeid);
    } finally {
      this.release(nodeid);
    }
  }

  /** The node, held. */
  async #walk(names: readonly ByteName[]): Promise<NodeId> {
    let at: NodeId = FUSE_ROOT_ID;
    for (const name of names) {
      try {
        const entry = await this.#fileSystem.lookup(at, name, this.#caller);
        if (entry === undefined) throw new FsError('ENOENT', 'lookup');
        this.take(entry.nodeid);
        this.#linger(at);
        at = entry.nodeid;
      } catch (error) {
        this.release(at);
        throw error;
      }
    }
    return at;
  }

  /** Takes over a lookup that the file system has counted; holds the node. */
  take(nodeid: NodeId): void {
    if (nodeid === FUSE_ROOT_ID) return;
    const held = this.#held.get(nodeid);
    if (held === undefined) {
      this.#held.set(nodeid, { nlookup: 1, holders: 1 });
    } else {
      held.nlookup += 1;
      held.holders += 1;
    }
  }

  /** Holds a node that is held already, for longer. */
  hold(nodeid: NodeId): void {
    const held = this.#held.get(nodeid);
    if (held !== undefined) held.holders += 1;
  }

  /** Ends a {@link take} or {@link hold}. */
  release(nodeid: NodeId): void {
    const held = this.#held.get(nodeid);
    if (held === undefined) return;
    held.holders -= 1;
    if (held.holders > 0) return;
    this.#held.delete(nodeid);
    this.#fileSystem.forget(nodeid, held.nlookup);
  }

  #linger(nodeid: NodeId): void {
    if (nodeid === FUSE_ROOT_ID) return;
    if (this.#lingering.delete(nodeid)) this.release(nodeid);
    this.#lingering.add(nodeid);
    const [oldest] = this.#lingering;
    if (this.#lingering.size <= LINGERING_MAX || oldest === undefined) return;
    this.#lingering.delete(oldest);
    this.release(oldest);
  }

  /** Forgets the directories that linger. */
  end(): void {
    for (const nodeid of this.#lingering) this.release(nodeid);
    this.#lingering.clear();
  }
}

/** A path's names: as UTF-8, the package gives no bytes. */
function namesOf(path: string): ByteName[] {
  return path
    .split('/')
    .filter((name) => name !== '')
    .map(byteNameOf);
}
