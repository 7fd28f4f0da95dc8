import { check, libc } from './libc.js';

const CLOCK_REALTIME_COARSE = 5;
const timespec = Buffer.alloc(16);
const view = new DataView(timespec.buffer, timespec.byteOffset, 16);

/** CLOCK_REALTIME_COARSE: the time that the kernel stamps most files with. */
export function realtimeCoarse(): { readonly sec: number; readonly nsec: number } {
  check(libc.clockGettime(CLOCK_REALTIME_COARSE, timespec), 'clock_gettime');
  const sec = view.getInt32(4, true) * 2 ** 32 + view.getUint32(0, true);
  return { sec, nsec: view.getUint32(8, true) };
}
