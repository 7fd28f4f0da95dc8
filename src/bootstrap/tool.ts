import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { hasCode, UserError } from '../util/errors.js';
import { formatOneLine } from './apt-sources.js';
import type { Archives } from './archives.js';

/** debootstrap and chroot are in sbin, which is not in an ordinary user's PATH. */
const SBIN = ['/usr/local/sbin', '/usr/sbin', '/sbin'];
/** Of both tools alike. */
export const DEFAULT_VARIANT = 'minbase';

const MMDEBSTRAP_VARIANTS: readonly string[] = [
  ...['extract', 'custom', 'essential', 'apt', 'required', 'minbase', 'buildd', 'important'],
  ...['debootstrap', 'standard'],
];
const DEBOOTSTRAP_VARIANTS: readonly string[] = ['minbase', 'buildd'];

/** A program that makes a root file system of Debian packages. */
export interface Tool {
  readonly name: 'mmdebstrap' | 'debootstrap';
  readonly path: string;
}

/** The search path for the tool and what it calls. */
export function toolPath(env: NodeJS.ProcessEnv): string {
  const own = (env['PATH'] ?? '').split(delimiter).filter((dir) => dir !== '');
  return [...new Set([...own, '/usr/bin', '/bin', ...SBIN])].join(delimiter);
}

/** An executable of the search path; undefined if there is none. */
export function findExecutable(name: string, path: string): string | undefined {
  return path
    .split(delimiter)
    .map((dir) => join(dir, name))
    .find(isExecutable);
}

/** mmdebstrap, else (as root) debootstrap. Throws TSB_MISSING_TOOL. */
export function findTool(path: string, { asRoot }: { readonly asRoot: boolean }): Tool {
  for (const name of ['mmdebstrap', 'debootstrap'] as const) {
    const found = findExecutable(name, path);
    if (found !== undefined && (asRoot || name === 'mmdebstrap')) return { name, path: found };
  }
  const found = findExecutable('debootstrap', path);
  throw new UserError(
    'TSB_MISSING_TOOL',
    found === undefined
      ? 'Cannot bootstrap: neither "mmdebstrap" nor "debootstrap" is installed'
      : 'Cannot bootstrap: "debootstrap" needs root, and "mmdebstrap" is not installed',
    { hint: 'sudo apt-get install mmdebstrap' },
  );
}

/** What the tool is to make. */
export interface ToolJob {
  readonly suite: string;
  readonly archives: Archives;
  readonly variant: string;
  /** Packages besides the variant's. */
  readonly include: readonly string[];
  readonly asRoot: boolean;
}

/**
 * The command that writes the tar of the root file system to standard output, using the
 * directory `$TMPDIR` for what it needs on the way. Throws TSB_BOOTSTRAP for a variant or a
 * package name that the tool does not have.
 */
export function toolCommand(tool: Tool, job: ToolJob): string[] {
  checkJob(tool, job);
  return tool.name === 'mmdebstrap' ? mmdebstrap(tool, job) : debootstrap(tool, job);
}

function mmdebstrap(
  { path }: Tool,
  { suite, archives, variant, include, asRoot }: ToolJob,
): string[] {
  return [
    path,
    // An ordinary user is root of a user namespace here, where sysfs cannot be mounted.
    ...['--mode=root', '--format=tar', `--variant=${variant}`],
    ...(asRoot ? [] : ['--skip=chroot/mount/sys']),
    ...(include.length > 0 ? [`--include=${include.join(',')}`] : []),
    ...[suite, '-', ...archives.flatMap(formatOneLine)],
  ];
}

const DEBOOTSTRAP_SCRIPT = `
set -e
"$@" "$TMPDIR/root" "$MIRROR" >&2
cd "$TMPDIR/root"
tar --create --file=- --format=pax --numeric-owner --xattrs '--xattrs-include=*' \\
  --sort=name --one-file-system .`;

function debootstrap({ path }: Tool, { suite, archives, variant, include }: ToolJob): string[] {
  const [main] = archives;
  return [
    ...['env', `MIRROR=${main.uris[0] ?? ''}`, 'sh', '-c', DEBOOTSTRAP_SCRIPT, 'debootstrap'],
    ...[path, `--variant=${variant}`, `--components=${main.components.join(',')}`],
    ...(include.length > 0 ? [`--include=${include.join(',')}`] : []),
    suite,
  ];
}

function checkJob({ name }: Tool, { variant, include }: ToolJob): void {
  const variants = name === 'mmdebstrap' ? MMDEBSTRAP_VARIANTS : DEBOOTSTRAP_VARIANTS;
  if (!variants.includes(variant)) {
    throw new UserError(
      'TSB_BOOTSTRAP',
      `Cannot bootstrap variant "${variant}": ${name} has ${variants.join(', ')}`,
      { hint: `--variant ${DEFAULT_VARIANT}` },
    );
  }
  const broken = include.find((pkg) => !/^[a-z0-9][a-z0-9+.:~=*?-]*$/i.test(pkg));
  if (broken === undefined) return;
  throw new UserError('TSB_BOOTSTRAP', `Cannot include "${broken}": it is not a package's name`, {
    hint: '--include ca-certificates,curl',
  });
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'EACCES', 'ENOTDIR')) return false;
    throw error;
  }
}
