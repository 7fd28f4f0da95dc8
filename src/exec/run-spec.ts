/** A path that the sandbox mounts over, so that the root file system must offer it. */
export interface MountPoint {
  /** Absolute, inside the root; symlinks on the way are followed inside it. */
  readonly path: string;
  readonly kind: 'dir' | 'file';
}

/** What a RUN's root file system must have, without its becoming part of the layer. */
export const MOUNT_POINTS: readonly MountPoint[] = [
  { path: '/proc', kind: 'dir' },
  { path: '/sys', kind: 'dir' },
  { path: '/dev', kind: 'dir' },
  { path: '/etc/hosts', kind: 'file' },
  { path: '/etc/resolv.conf', kind: 'file' },
];

/** Numeric ids, as the command has them. */
export interface RunUser {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups: readonly number[];
}

/** A file system or file that only this RUN sees at `target`, a path in the root. */
export type SandboxMount =
  | {
      readonly kind: 'bind';
      readonly target: string;
      /** A directory that is visible here. */
      readonly root: string;
      /** Below `root`, where its symlinks are followed; empty: itself. */
      readonly path: string;
      readonly readOnly: boolean;
    }
  | {
      readonly kind: 'tmpfs';
      readonly target: string;
      readonly sizeBytes?: number | undefined;
      readonly readOnly: boolean;
      /** Permission bits of its root. */
      readonly mode: number;
    }
  | {
      readonly kind: 'secret';
      readonly target: string;
      readonly base64: string;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    };

/** A resource limit; undefined: none. */
export interface Ulimit {
  /** `nofile`, `core`, …: a key of `ULIMITS`. */
  readonly name: string;
  readonly soft: number | undefined;
  readonly hard: number | undefined;
}

/** One command in a root file system of its own. */
export interface RunSpec {
  /** A directory or mount that is visible here; becomes `/`. */
  readonly rootfs: string;
  /** A name without a slash is searched in `env.PATH`, inside the root. Never empty. */
  readonly argv: readonly string[];
  /** The whole environment: nothing is added, nothing inherited. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute, inside the root; must exist. */
  readonly cwd: string;
  readonly user: RunUser;
  readonly network: 'host' | 'none';
  readonly hostname: string;
  /** Text of /etc/hosts; by default localhost and the hostname. */
  readonly hosts?: string;
  /** Text of /etc/resolv.conf; by default the host's, empty with network `none`. */
  readonly resolvConf?: string;
  /** Programs of this RUN alone, as /dev/pipes/NAME: text by name. They begin with `#!`. */
  readonly scripts?: Readonly<Record<string, string>>;
  /**
   * In any order: parents are mounted before what is in them. The root file system must have the
   * targets, but those inside another mount.
   */
  readonly mounts?: readonly SandboxMount[];
  readonly ulimits?: readonly Ulimit[];
  /** There are secrets in its memory: no core dumps, unless `ulimits` asks for them. */
  readonly hasSecrets?: boolean;
  /** Of /dev/shm; 64 MiB by default. */
  readonly shmSizeBytes?: number;
  /** All capabilities that this process has, and nothing of the kernel hidden or read-only. */
  readonly insecure?: boolean;
  /** `null` (default): /dev/null. */
  readonly stdin?: 'null' | 'inherit';
  /**
   * The command has the caller's terminal: standard streams inherited (nothing reaches
   * `onOutput`), and the caller's session, so that Ctrl-C reaches it from the terminal.
   */
  readonly tty?: boolean;
}

/** How a command ended. */
export interface RunResult {
  /** As a shell tells it: 128 + the number for a signal, 127 not found, 126 not executable. */
  readonly exitCode: number;
  /** `SIGKILL`, … if a signal ended it. */
  readonly signal: string | undefined;
}

/** Takes a piece of output; the next one waits for the promise. */
export type OutputHandler = (stream: 'stdout' | 'stderr', chunk: Buffer) => void | Promise<void>;
