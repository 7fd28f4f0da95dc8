import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** A program, or a library by its soname, and the Debian package that brings it. */
const PACKAGE_OF = {
  bzip2: 'bzip2',
  buildah: 'buildah',
  busybox: 'busybox-static',
  crun: 'crun',
  'docker-registry': 'docker-registry',
  'fuse-overlayfs': 'fuse-overlayfs',
  'libfuse.so.2': 'libfuse2',
  getcap: 'libcap2-bin',
  getfacl: 'acl',
  getfattr: 'attr',
  git: 'git',
  mmdebstrap: 'mmdebstrap',
  newuidmap: 'uidmap',
  podman: 'podman',
  python3: 'python3',
  skopeo: 'skopeo',
  'ssh-agent': 'openssh-client',
  strace: 'strace',
  umoci: 'umoci',
  unshare: 'util-linux',
  xz: 'xz-utils',
  zstd: 'zstd',
};

/** Programs that the quickstart needs. */
export const QUICKSTART_PROGRAMS = ['unshare', 'newuidmap', 'mmdebstrap'];

/** Programs that the tests use, as tools and as oracles, and libraries. */
export const TEST_PROGRAMS = [
  ...QUICKSTART_PROGRAMS,
  ...['bzip2', 'busybox', 'crun', 'docker-registry', 'fuse-overlayfs', 'getcap', 'getfacl'],
  ...['getfattr', 'git'],
  ...['podman', 'python3', 'skopeo', 'ssh-agent', 'strace', 'umoci', 'xz', 'zstd'],
  // The package fuse-native has binaries for x64 only.
  ...(process.arch === 'x64' ? ['libfuse.so.2'] : []),
];

/** Programs that the benchmark compares with. */
export const BENCH_PROGRAMS = [...QUICKSTART_PROGRAMS, 'buildah', 'fuse-overlayfs'];

// Debian keeps some of them out of an ordinary user's PATH.
const SEARCH = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin'];

/** Whether the dynamic linker knows the library. */
function isLinkable(soname) {
  const { stdout } = spawnSync('/sbin/ldconfig', ['-p'], { encoding: 'utf8' });
  return (stdout ?? '').includes(`\t${soname} `);
}

function isInstalled(program) {
  if (program.includes('.so.')) return isLinkable(program);
  return SEARCH.some((dir) => {
    try {
      accessSync(join(dir, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function aptGet(...args) {
  console.log(`+ apt-get ${args.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  return spawnSync('apt-get', args, { stdio: ['ignore', 'inherit', 'inherit'], env }).status === 0;
}

/**
 * Installs the packages of the programs that are missing, as root on a machine with apt; else
 * prints the line to type. Returns whether all programs are there now.
 */
export function ensurePrograms(programs) {
  const missing = programs.filter((program) => !isInstalled(program));
  if (missing.length === 0) return true;
  const packages = [...new Set(missing.map((program) => PACKAGE_OF[program]))];
  const install = ['install', '-y', '--no-install-recommends', ...packages];
  if (process.getuid() === 0 && isInstalled('apt-get')) {
    aptGet('update', '-qq');
    if (aptGet(...install)) return true;
  }
  console.error(`missing: ${missing.join(', ')}`);
  console.error(`hint: sudo apt-get install ${packages.join(' ')}`);
  return false;
}
