/** The library `tsbuild/fuse-native`: the same file systems on the optional package fuse-native. */
export type { FuseNativeOptions } from './mount.js';
export { FuseNativeMount, mountFuseNative } from './mount.js';
