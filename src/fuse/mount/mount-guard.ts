import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const GUARD = fileURLToPath(new URL('mount-guard-process.js', import.meta.url));

/**
 * Takes a mount of the type (`fuse.<subtype>`) off the path when this process ends in whatever
 * way before the guard is disposed. The guard is a process with a session of its own: start it
 * before the mount, and only for mounts that others see (a namespace of ours ends by itself).
 */
export function guardMount(mountpoint: string, type: string): Disposable {
  const child = spawn(process.execPath, [GUARD, mountpoint, type], {
    detached: true,
    cwd: '/',
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.on('error', () => undefined);
  child.stdin.on('error', () => undefined);
  child.unref();
  return { [Symbol.dispose]: () => void child.stdin.end('done') };
}
