import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Debian's busybox-static. */
export const BUSYBOX = '/bin/busybox';

/** Fills a directory with a root file system of busybox and the mount points of a RUN. */
export function makeBusyboxRoot(dir: string): void {
  for (const name of ['bin', 'dev', 'etc', 'proc', 'root', 'sys', 'tmp', 'usr']) {
    mkdirSync(join(dir, name), { recursive: true });
  }
  chmodSync(dir, 0o755);
  chmodSync(join(dir, 'tmp'), 0o1777);
  copyFileSync(BUSYBOX, join(dir, 'bin/busybox'));
  for (const applet of execFileSync(BUSYBOX, ['--list'], { encoding: 'utf8' }).split('\n')) {
    if (applet !== '' && applet !== 'busybox') symlinkSync('busybox', join(dir, 'bin', applet));
  }
  writeFileSync(join(dir, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\n');
  writeFileSync(join(dir, 'etc/hosts'), '');
  writeFileSync(join(dir, 'etc/resolv.conf'), '');
}
