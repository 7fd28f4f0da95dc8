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
} from './filesystems/virtual-filesystem.js';
export { VirtualFileSystem, directory, file } from './filesystems/virtual-filesystem.js';
export type { OperationLogger } from './filesystems/logging-filesystem.js';
export { LoggingFileSystem } from './filesystems/logging-filesystem.js';
export type { OperationStats, StatsSnapshot } from './filesystems/stats-filesystem.js';
export { StatsFileSystem, formatStats } from './filesystems/stats-filesystem.js';
export type { Channel } from './server/channel.js';
export { DevFuseChannel } from './server/dev-fuse-channel.js';
export { MemoryFileSystem } from './filesystems/memory-filesystem.js';
export { PassthroughFileSystem } from './filesystems/passthrough-filesystem.js';
export type { FuseMount } from './mount/mount.js';
export { FuseDevice, mountFuse } from './mount/mount.js';
export type { MountOptions } from './protocol/negotiate.js';
export type { ServeOptions } from './server/serve.js';
export { serve, serveChannel } from './server/serve.js';
export { serveAsync } from './server/serve-async.js';
export type { FuseLogger } from './server/session.js';
export { FsError } from '../sys/errno.js';
export { byteName, byteNameOf, displayName, escapeName, nameBytes } from '../util/byte-name.js';
export type { ByteName } from '../util/byte-name.js';
