import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { hasCode, UserError } from '../util/errors.js';
import { redactUrls } from '../util/redact.js';
import type { RemoteLimits } from './limits.js';

/** How git reaches servers by ssh. */
export interface SshAccess {
  /** The agent's socket. */
  readonly agentSocket: string;
  /** The user's known hosts; undefined: the system's alone. */
  readonly knownHostsFile: string | undefined;
}

/** What every run of git has in common. */
export interface GitContext {
  /** PATH, proxies and certificates are taken from it, nothing else. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Undefined: ssh is refused. */
  readonly ssh: SshAccess | undefined;
  readonly limits: RemoteLimits;
  readonly signal: AbortSignal;
}

/** One run of git. */
export interface GitRun {
  readonly args: readonly string[];
  /** Undefined: outside of any repository. */
  readonly gitDir?: string;
  /** The value of an Authorization header, and the URL below which it is sent. */
  readonly authorization?: GitAuthorization | undefined;
  /** The repository for messages, and what is done. */
  readonly what: string;
  /** Called while it runs; what it throws ends the run. */
  readonly check?: () => void;
}

/** A header's value, and the beginning of the URLs that it is for. */
export interface GitAuthorization {
  readonly header: string;
  readonly scope: string;
}

/** git ended with an error; `stderr` is what it said, without credentials. */
export class GitError extends Error {
  override name = 'GitError';
  readonly stderr: string;

  constructor(what: string, stderr: string) {
    super(`Cannot ${what}: ${lastLine(stderr)}`);
    this.stderr = stderr;
  }
}

const PASSED_ON = [
  ...['PATH', 'HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy'],
  ...['all_proxy', 'no_proxy', 'GIT_SSL_CAINFO', 'SSL_CERT_FILE', 'SSL_CERT_DIR'],
];
const STDERR_BYTES_MAX = 64 * 1024;
const CHECK_INTERVAL_MS = 1000;

/** Settings that no repository can change: the command line's come last. */
const SETTINGS: Readonly<Record<string, string>> = {
  'core.hooksPath': '/dev/null',
  'core.protectNTFS': 'true',
  'core.protectHFS': 'true',
  'core.fsmonitor': 'false',
  'core.attributesFile': '/dev/null',
  'core.autocrlf': 'false',
  'core.logAllRefUpdates': 'false',
  'credential.helper': '',
  'gc.auto': '0',
  'maintenance.auto': 'false',
  'fetch.recurseSubmodules': 'false',
  // One pack, which is also what the size limit looks at.
  'fetch.unpackLimit': '1',
  'http.followRedirects': 'initial',
  'http.lowSpeedLimit': '1',
  'http.lowSpeedTime': '60',
  // Archives as a checkout with umask 022 would be.
  'tar.umask': '0022',
  'init.defaultBranch': 'main',
  'advice.detachedHead': 'false',
};

/** Runs git and returns what it printed. GitError if it failed; UserError for limits and time. */
export async function runGit(context: GitContext, run: GitRun): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of streamGit(context, run)) {
    size += chunk.length;
    if (size > context.limits.gitOutputBytesMax) {
      throw new UserError('TSB_LIMIT', `Cannot ${run.what}: git printed more than ${size} bytes`);
    }
    parts.push(chunk);
  }
  return Buffer.concat(parts);
}

/**
 * Runs git and passes on what it prints. Stopping early, an abort, and silence beyond
 * `gitIdleTimeoutMs` kill it and what it started.
 */
export async function* streamGit(
  { env, ssh, limits, signal }: GitContext,
  { args, gitDir, authorization, what, check }: GitRun,
): AsyncGenerator<Buffer, void, undefined> {
  signal.throwIfAborted();
  const child = spawn('git', [...(gitDir === undefined ? [] : [`--git-dir=${gitDir}`]), ...args], {
    cwd: gitDir ?? '/',
    // A group of its own: git leaves the talking to children, which must end with it.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment(env, { ssh, authorization }),
  });
  let failure: { readonly error: unknown } | undefined;
  const stop = (reason: unknown): void => {
    failure ??= { error: reason };
    killGroup(child.pid);
  };
  const ended = Promise.race([
    once(child, 'close') as Promise<[number | null]>,
    once(child, 'error').then(([error]) => {
      throw startError(error, what);
    }),
  ]);
  ended.catch(() => undefined);
  const silence = setTimeout(() => {
    const seconds = Math.round(limits.gitIdleTimeoutMs / 1000);
    const message = `Cannot ${what}: the server said nothing for ${seconds} s`;
    stop(new UserError('TSB_NETWORK', message));
  }, limits.gitIdleTimeoutMs);
  const watch = setInterval(() => {
    try {
      check?.();
    } catch (error) {
      stop(error);
    }
  }, CHECK_INTERVAL_MS);
  const abort = (): void => stop(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  const stderr = collectTail(child.stderr, () => silence.refresh());
  try {
    for await (const chunk of child.stdout) {
      silence.refresh();
      yield chunk as Buffer;
    }
    const [code] = await ended;
    if (failure !== undefined) throw failure.error;
    if (code !== 0) throw new GitError(what, redactUrls(stderr().trim()));
  } catch (error) {
    throw failure === undefined ? error : failure.error;
  } finally {
    clearTimeout(silence);
    clearInterval(watch);
    signal.removeEventListener('abort', abort);
    if (child.exitCode === null) killGroup(child.pid);
  }
}

/** Keeps the end of what a stream says. */
function collectTail(stream: Readable, onData: () => void): () => string {
  let tail = Buffer.alloc(0);
  stream.on('data', (chunk: Buffer) => {
    onData();
    tail = Buffer.concat([tail, chunk]).subarray(-STDERR_BYTES_MAX);
  });
  return () => tail.toString('utf8');
}

function environment(
  env: GitContext['env'],
  { ssh, authorization }: Pick<GitContext, 'ssh'> & Pick<GitRun, 'authorization'>,
): Record<string, string> {
  const settings: [string, string][] = Object.entries(SETTINGS);
  // Not as an argument: those are seen by every user of the machine.
  if (authorization !== undefined) {
    const { scope, header } = authorization;
    settings.push([`http.${scope}.extraHeader`, `Authorization: ${header}`]);
    // git would send the header to wherever a redirect leads.
    settings.push(['http.followRedirects', 'false']);
  }
  const passed = PASSED_ON.flatMap((name) => {
    const value = env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(passed),
    LC_ALL: 'C',
    HOME: '/dev/null',
    XDG_CONFIG_HOME: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: '/bin/false',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_LITERAL_PATHSPECS: '1',
    GIT_ALLOW_PROTOCOL: ssh === undefined ? 'https:http:git' : 'https:http:git:ssh',
    ...(ssh !== undefined && { GIT_SSH_COMMAND: sshCommand(ssh), SSH_AUTH_SOCK: ssh.agentSocket }),
    GIT_CONFIG_COUNT: String(settings.length),
    ...Object.fromEntries(
      settings.flatMap(([key, value], index) => [
        [`GIT_CONFIG_KEY_${index}`, key],
        [`GIT_CONFIG_VALUE_${index}`, value],
      ]),
    ),
  };
}

/** ssh with the agent's keys alone, for hosts that are known. */
function sshCommand({ knownHostsFile }: SshAccess): string {
  const options = [
    ...['-F', '/dev/null', '-o', 'BatchMode=yes', '-o', 'StrictHostKeyChecking=yes'],
    ...['-o', 'IdentityFile=none', '-o', 'ConnectTimeout=15', '-o', 'ClearAllForwardings=yes'],
    ...(knownHostsFile === undefined ? [] : ['-o', `UserKnownHostsFile="${knownHostsFile}"`]),
  ];
  return ['ssh', ...options.map(quoted)].join(' ');
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error;
  }
}

function startError(error: unknown, what: string): unknown {
  if (!hasCode(error, 'ENOENT')) return error;
  const message = `Cannot ${what}: the program git is not installed`;
  return new UserError('TSB_MISSING_TOOL', message, { hint: 'apt-get install git', cause: error });
}

/** What git ended with: `fatal: repository 'x' not found` without the prefix. */
function lastLine(stderr: string): string {
  const lines = stderr.split(/[\r\n]+/).filter((line) => line.trim() !== '');
  const telling = lines.filter((line) => /^(?:fatal|error|remote):/.test(line)).at(-1);
  return (telling ?? lines.at(-1) ?? 'git failed').replace(/^(?:fatal|error): /, '');
}
