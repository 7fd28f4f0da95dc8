import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

/** The image that everything starts from. */
export const BASE = 'debian:bookworm';
const MAIN = fileURLToPath(new URL('../cmd/main.js', import.meta.url));
const EXAMPLE = fileURLToPath(new URL('../../examples/quickstart', import.meta.url));

/** What a program may say. */
const OUTPUT_BYTES_MAX = 1 << 28;

/** A directory with everything that the variants work on. */
export interface Workbench {
  readonly dir: string;
  /** The build context: the quickstart's. */
  readonly context: string;
  /** The base's root file system, as a plain directory. */
  readonly rootfs: string;
  /** The base as an OCI layout with the tag `base`. */
  readonly layout: string;
  readonly proxyUrl: string;
  tsbuild(...args: string[]): Promise<string>;
}

/** Runs a program; what it says goes into the error if it fails. */
export async function run(file: string, args: readonly string[], input = ''): Promise<string> {
  const options = { input, maxBuffer: OUTPUT_BYTES_MAX, reject: false };
  const { stdout, stderr, failed } = await execa(file, args, options);
  if (failed) throw new Error(`Cannot run ${[file, ...args].join(' ')}:\n${stdout}\n${stderr}`);
  return stdout;
}

/** Bootstraps the base into `dir` unless it is there from last time. */
export async function openWorkbench(dir: string, proxyUrl: string): Promise<Workbench> {
  mkdirSync(dir, { recursive: true, mode: 0o755 });
  const store = join(dir, 'store');
  const tsbuild = (...args: string[]): Promise<string> =>
    run(process.execPath, [MAIN, '--root', store, ...args]);
  const rootfs = join(dir, 'rootfs');
  const layout = join(dir, 'layout');
  const images = await tsbuild('images', '--quiet');
  if (images === '') await tsbuild('bootstrap', BASE);
  await run('rm', ['-rf', rootfs, layout]);
  await tsbuild('unpack', BASE, rootfs);
  const context = join(dir, 'base');
  mkdirSync(context, { recursive: true });
  await run(
    process.execPath,
    [MAIN, '--root', store, 'build', '-f', '-', '-o', `type=oci,dest=${layout}`, context],
    `FROM ${BASE}\n`,
  );
  return { dir, context: EXAMPLE, rootfs, layout, proxyUrl, tsbuild };
}

/** The first RUN of the quickstart's Buildfile, as one shell command. */
export function quickstartCommand(): string {
  const text = readFileSync(join(EXAMPLE, 'Buildfile'), 'utf8').replaceAll('\\\n', '');
  const command = /^RUN (.*)$/m.exec(text)?.[1];
  if (command === undefined) throw new Error('Cannot find a RUN in the quickstart');
  return command;
}
