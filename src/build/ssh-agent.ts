import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, readFileSync, statSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MountOwner } from '../dockerfile/mounts.js';
import { O_DIRECTORY, O_PATH } from '../sys/constants.js';
import { openat } from '../sys/file.js';
import { Cleanup } from '../util/cleanup.js';
import { hasCode, messageOf, UserError } from '../util/errors.js';
import { AGENT_FAILURE, AgentRequests } from './agent-messages.js';
import type { SshSource } from './run-settings.js';
import { explainOwner } from './unmapped-owner.js';

const SOCKET_NAME = 'agent';
const OWN_AGENT_NAME = 'keys';
const SOCKET_OWNER = { mode: 0o600, uid: 0, gid: 0 };
/** Connections of one RUN at a time. */
const CLIENTS_MAX = 64;
const AGENT_START_MS = 5000;
const POLL_MS = 10;

/** What to listen with. */
export interface ForwardAgent {
  readonly source: SshSource;
  /** A directory of the caller's own, which removes it. */
  readonly dir: string;
  /** Of the socket; 0600 and root where nothing is given. */
  readonly owner: MountOwner;
}

/** A socket that leads to an agent, until it is disposed of. */
export interface ForwardedAgent extends AsyncDisposable {
  /** In the directory. */
  readonly name: string;
}

/**
 * Listens on a socket of its own for a command that may ask the agent for its keys and to sign
 * with them, and for nothing else. Files of keys get an agent that lives as long. Throws
 * UserError.
 */
export async function forwardAgent({ source, dir, owner }: ForwardAgent): Promise<ForwardedAgent> {
  await using cleanup = new Cleanup();
  const upstream = await findAgent(source, dir, cleanup);
  const clients = new Set<Socket>();
  const server = createServer((client) => {
    clients.add(client);
    client.once('close', () => clients.delete(client));
    forward(client, upstream);
  });
  server.maxConnections = CLIENTS_MAX;
  // A path through a descriptor: sun_path has 108 bytes, and a store's path may be longer. It is
  // open until the server ends, which unlinks the path.
  const fd = cleanup.use(openat(undefined, dir, O_PATH | O_DIRECTORY));
  server.listen(`/proc/self/fd/${fd.raw}/${SOCKET_NAME}`);
  await once(server, 'listening');
  cleanup.defer(() => close(server, clients));
  const given = Object.entries(owner).filter(([, value]) => value !== undefined);
  const meta = { ...SOCKET_OWNER, ...(Object.fromEntries(given) as Partial<typeof SOCKET_OWNER>) };
  const socket = path.join(dir, SOCKET_NAME);
  chmodSync(socket, meta.mode & 0o777);
  await explainOwner(`the socket of --ssh ${source.id}`, () => {
    chownSync(socket, meta.uid, meta.gid);
  });
  const kept = cleanup.move();
  return { name: SOCKET_NAME, [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose]() };
}

/** Where the agent is: the caller's, or one for the files of keys. */
async function findAgent({ id, paths }: SshSource, dir: string, cleanup: Cleanup): Promise<string> {
  const sockets = paths.filter((each) => isSocket(id, each));
  const [socket] = sockets;
  if (socket === undefined) return await startAgent(id, paths, { dir, cleanup });
  if (paths.length === 1) return socket;
  throw new UserError(
    'TSB_USAGE',
    `Cannot use --ssh ${id}: found a socket and more, want it alone`,
  );
}

function isSocket(id: string, file: string): boolean {
  try {
    return statSync(file).isSocket();
  } catch (error) {
    throw new UserError('TSB_CONTEXT', `Cannot use --ssh ${id}: ${messageOf(error)}`, {
      hint: 'Pass the socket of an agent, or a file with a private key',
      cause: error,
    });
  }
}

async function startAgent(
  id: string,
  keys: readonly string[],
  { dir, cleanup }: { dir: string; cleanup: Cleanup },
): Promise<string> {
  // Relative to its directory: the whole path may be too long for a socket.
  const args = ['--pdeathsig', 'KILL', '--', 'ssh-agent', '-D', '-a', OWN_AGENT_NAME];
  const agent = spawn('setpriv', args, { cwd: dir, stdio: 'ignore', detached: true });
  cleanup.defer(() => end(agent));
  const failure = failed(agent);
  failure.catch(() => undefined);
  const socket = path.join(dir, OWN_AGENT_NAME);
  const deadline = Date.now() + AGENT_START_MS;
  while (statSync(socket, { throwIfNoEntry: false }) === undefined) {
    if (agent.exitCode !== null || Date.now() > deadline) throw noAgent(id);
    await Promise.race([sleep(POLL_MS), failure]);
  }
  for (const key of keys) await addKey(id, key, dir);
  return socket;
}

/** Hands a key over by a pipe: ssh-add then has no say in the mode of its file. */
async function addKey(id: string, file: string, dir: string): Promise<void> {
  const add = spawn('ssh-add', ['-q', '-'], {
    cwd: dir,
    // No terminal and no display: a passphrase is not asked for.
    detached: true,
    env: { PATH: process.env['PATH'], SSH_AUTH_SOCK: OWN_AGENT_NAME },
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  add.stdin.on('error', () => undefined);
  add.stdin.end(readKey(id, file));
  const code = await Promise.race([
    once(add, 'exit').then(([status]) => status as number),
    failed(add),
  ]);
  if (code === 0) return;
  throw new UserError('TSB_CONTEXT', `Cannot use key "${file}" of --ssh ${id}: it cannot be read`, {
    hint: 'Keys with a passphrase belong into an agent: ssh-add FILE, then --ssh default',
  });
}

function readKey(id: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new UserError('TSB_CONTEXT', `Cannot use --ssh ${id}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function failed(child: ChildProcess): Promise<never> {
  const [error] = (await once(child, 'error')) as [Error];
  throw new UserError('TSB_MISSING_TOOL', `Cannot start an agent for keys: ${error.message}`, {
    hint: 'apt-get install openssh-client',
    cause: error,
  });
}

function noAgent(id: string): UserError {
  return new UserError('TSB_MISSING_TOOL', `Cannot start "ssh-agent" for --ssh ${id}`, {
    hint: 'apt-get install openssh-client, or pass the socket of your own agent',
  });
}

async function end(agent: ChildProcess): Promise<void> {
  if (agent.pid === undefined || agent.exitCode !== null || agent.signalCode !== null) return;
  const exited = once(agent, 'exit');
  agent.kill('SIGKILL');
  await exited;
}

async function close(server: Server, clients: ReadonlySet<Socket>): Promise<void> {
  for (const client of clients) client.destroy();
  await new Promise((resolve) => server.close(resolve));
}

function forward(client: Socket, socket: string): void {
  using dir = openat(undefined, path.dirname(socket), O_PATH | O_DIRECTORY);
  const agent = connect(`/proc/self/fd/${dir.raw}/${path.basename(socket)}`);
  const requests = new AgentRequests();
  const stop = (error?: Error): void => {
    if (error !== undefined && !hasCode(error, 'EPIPE', 'ECONNRESET', 'ECONNREFUSED', 'ENOENT'))
      throw error;
    client.destroy();
    agent.destroy();
  };
  client.on('error', stop).on('close', () => stop());
  agent.on('error', stop).on('close', () => stop());
  // Nobody is read from while the other side does not read.
  const flow = (): void => {
    const isFull = client.writableNeedDrain || agent.writableNeedDrain;
    for (const socket of [client, agent]) {
      if (isFull) socket.pause();
      else socket.resume();
    }
  };
  client.on('drain', flow);
  agent.on('drain', flow);
  agent.on('data', (chunk: Buffer) => {
    client.write(chunk);
    flow();
  });
  client.on('data', (chunk: Buffer) => {
    const messages = requests.push(chunk);
    if (messages === undefined) stop();
    for (const { message, isPassedOn } of messages ?? []) {
      if (isPassedOn) agent.write(message);
      else client.write(AGENT_FAILURE);
    }
    flow();
  });
}
