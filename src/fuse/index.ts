/** The library `tsbuild/fuse`: FUSE file systems in TypeScript. */
export type * from './filesystem.js';
export type { ListedName } from './attributes.js';
export { attributes, listNames } from './attributes.js';
export type { MountAndServeOptions } from './mount-and-serve.js';
export { mountAndServe } from './mount-and-serve.js';
export type {
  VirtualDirectory,
  VirtualFile,
  VirtualLink,
  VirtualMeta,
  VirtualNode,
} from './virtual-filesystem.js';
export { VirtualFileSystem, directory, file } from './virtual-filesystem.js';
export type { OperationLogger } from './logging-filesystem.js';
export { LoggingFileSystem } from './logging-filesystem.js';
export type { OperationStats, StatsSnapshot } from './stats-filesystem.js';
export { StatsFileSystem, formatStats } from './stats-filesystem.js';
export type { Channel } from './channel.js';
export { DevFuseChannel } from './dev-fuse-channel.js';
export { MemoryFileSystem } from './memory-filesystem.js';
export { PassthroughFileSystem } from './passthrough-filesystem.js';
export type { FuseMount } from './mount.js';
export { FuseDevice, mountFuse } from './mount.js';
export type { MountOptions } from './negotiate.js';
export type { ServeOptions } from './serve.js';
export { serve, serveChannel } from './serve.js';
export { serveAsync } from './serve-async.js';
export type { FuseLogger } from './session.js';
export { FsError } from '../sys/errno.js';
export { byteName, byteNameOf, displayName, escapeName, nameBytes } from '../util/byte-name.js';
export type { ByteName } from '../util/byte-name.js';
