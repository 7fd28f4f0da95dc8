/** The library `tsbuild/fuse`: FUSE file systems in TypeScript. */
export type * from './filesystem.js';
export type { Channel } from './channel.js';
export { DevFuseChannel } from './dev-fuse-channel.js';
export { MemoryFileSystem } from './memory-filesystem.js';
export type { FuseMount } from './mount.js';
export { FuseDevice, mountFuse } from './mount.js';
export type { MountOptions } from './negotiate.js';
export type { ServeOptions } from './serve.js';
export { serve, serveChannel } from './serve.js';
export { serveAsync } from './serve-async.js';
export type { FuseLogger } from './session.js';
export { FsError } from '../sys/errno.js';
export { byteName, byteNameOf, displayName, nameBytes } from '../util/byte-name.js';
export type { ByteName } from '../util/byte-name.js';
