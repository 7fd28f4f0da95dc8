import { OPTIONS } from './options.js';

const USAGE = `usage: tsbuild-overlayfs [-f] [-d] -o OPTION[,OPTION...] [SOURCE] MOUNTPOINT
       tsbuild-overlayfs --wait UPPERDIR

Merges directories into one. The changes are written into upperdir, in the format of the
kernel's overlayfs, when the mount ends (umount, SIGTERM, SIGINT).

  -f, --foreground   serve the mount in this process
  -d, --debug        as -f, and tell every operation on standard error
  --wait UPPERDIR    wait until a mount that has ended has written UPPERDIR
  -h, --help         this text
  -V, --version      the version

Options of -o:
`;
const NAME_COLUMNS = 22;

/** The help, with every option. */
export function helpText(): string {
  const lines = Object.entries(OPTIONS).map(([name, { value, does, apply, isSilent }]) => {
    const typed = value === 'required' ? `${name}=…` : name;
    const note = apply === undefined && isSilent !== true ? 'does nothing: ' : '';
    return `  ${typed.padEnd(NAME_COLUMNS)} ${note}${does}\n`;
  });
  return USAGE + lines.join('');
}
