import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { hasCode, UserError } from '../util/errors.js';
import { outputError } from './output-error.js';

/** A name beside `dest`, on the same file system. */
function siblingOf(dest: string): string {
  const { dir, base } = path.parse(path.resolve(dest));
  return path.join(dir, `.${base}.${randomBytes(6).toString('hex')}.tmp`);
}

/** Removes a tree of our own, also where it has directories that their owner may not write. */
function removeTree(dir: string): void {
  try {
    fs.rmSync(dir, { recursive: true, force: true });
  } catch (error) {
    if (!hasCode(error, 'EACCES', 'EPERM', 'ENOTEMPTY')) throw error;
    makeWritable(dir);
    fs.rmSync(dir, { recursive: true, force: true });
  }
}

function makeWritable(dir: string | Buffer): void {
  fs.chmodSync(dir, 0o700);
  for (const entry of fs.readdirSync(dir, { withFileTypes: true, encoding: 'buffer' })) {
    if (!entry.isDirectory()) continue;
    makeWritable(Buffer.concat([Buffer.from(dir), Buffer.from('/'), entry.name]));
  }
}

/** What is written to: data in order. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<void>;
}

const STANDARD_OUTPUT_FD = 1;

/**
 * Lets `produce` write a file that is at `dest` when all of it is there, and not before; `-` is
 * standard output. A failure leaves `dest` as it was.
 */
export async function writeFileOutput(
  dest: string,
  produce: (sink: ByteSink) => Promise<void>,
): Promise<void> {
  if (dest === '-') {
    await produce({ write: writeStandardOutput });
    return;
  }
  const temporary = siblingOf(dest);
  try {
    const file = await fs.promises.open(temporary, 'wx', 0o666);
    try {
      await produce({ write: (bytes) => file.writeFile(bytes) });
      await file.sync();
    } finally {
      await file.close();
    }
    fs.renameSync(temporary, dest);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw outputError(error, dest);
  }
}

async function writeStandardOutput(bytes: Uint8Array): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const done = (error: NodeJS.ErrnoException | null): void =>
      error === null ? resolve() : reject(error);
    const write = (at: number): void => {
      fs.write(STANDARD_OUTPUT_FD, bytes, at, bytes.length - at, null, (error, count) => {
        // A terminal or pipe that somebody made non-blocking.
        if (error?.code === 'EAGAIN') setTimeout(() => write(at), 10);
        else if (error !== null || at + count === bytes.length) done(error);
        else write(at + count);
      });
    };
    if (bytes.length === 0) resolve();
    else write(0);
  }).catch((error: unknown) => {
    throw outputError(error, 'standard output');
  });
}

/** Whether there is a directory with nothing in it; throws if there is something else. */
export function assertAbsentOrEmpty(dest: string): void {
  const stat = fs.lstatSync(dest, { throwIfNoEntry: false });
  if (stat === undefined) return;
  const found = !stat.isDirectory()
    ? 'it is no directory'
    : fs.readdirSync(dest).length > 0
      ? 'it is not empty'
      : undefined;
  if (found === undefined) return;
  throw new UserError(
    'TSB_OUTPUT',
    `Cannot write '${dest}': ${found}, want nothing or an empty directory`,
  );
}

/**
 * Lets `produce` fill a new directory that is at `dest`, absent or empty before, when it is
 * complete. A failure leaves `dest` as it was.
 */
export async function writeDirectoryOutput<T>(
  dest: string,
  produce: (dir: string) => Promise<T>,
): Promise<T> {
  const temporary = siblingOf(dest);
  try {
    assertAbsentOrEmpty(dest);
    fs.mkdirSync(temporary, { mode: 0o700 });
    const result = await produce(temporary);
    fs.renameSync(temporary, dest);
    return result;
  } catch (error) {
    removeTree(temporary);
    throw outputError(error, dest);
  }
}
