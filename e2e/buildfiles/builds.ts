import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCli } from '../../cmd/cli.js';
import { parseReference, withDefaultTag } from '../../src/oci/reference.js';
import { ensureLayers } from '../../src/store/unpack-layers.js';
import { Store } from '../../src/store/store.js';
import { prepareCase, type BuildfileCase } from '../../src/testing/buildfile-case.js';
import { readImage, type ImageFacts } from '../../src/testing/image-report.js';

/** Not the same on every machine: busybox and its applets. */
const EXCLUDED = ['bin'];
const BASE = 'base';

/** What a command has ended with. */
export interface Ended {
  readonly exitCode: number;
  readonly said: string;
}

/** Builds of fixtures in this process, one after the other, in the store of `TSBUILD_ROOT`. */
export class FixtureBuilds {
  readonly root: string;
  readonly #fixtures: string;
  readonly #work: string;

  constructor(fixtures: string, work: string) {
    this.#fixtures = fixtures;
    this.#work = work;
    this.root = join(work, 'store');
    process.env['TSBUILD_ROOT'] = this.root;
  }

  /** Builds the image that all others start from. */
  async buildBase(options: readonly string[] = []): Promise<ImageFacts> {
    const base = this.prepare(BASE);
    copyFileSync('/bin/busybox', join(base.dir, 'context/busybox'));
    const { exitCode, said } = await this.build({ ...base, args: [...options, ...base.args] });
    if (exitCode !== 0) throw new Error(said);
    return await this.read(BASE);
  }

  prepare(name: string): BuildfileCase {
    return prepareCase(join(this.#fixtures, name), join(this.#work, name), name);
  }

  async build({ dir, args, env }: BuildfileCase): Promise<Ended> {
    process.chdir(dir);
    return await runTsbuild(['build', ...args], env);
  }

  /** The image of a name. */
  async read(name: string): Promise<ImageFacts> {
    await using store = await Store.open(this.root);
    const record = store.images.get(withDefaultTag(parseReference(name)));
    if (record === undefined) throw new Error(`${name} is not in the store`);
    const { layers } = await store.loadImage(record);
    await ensureLayers(store, layers, { signal: new AbortController().signal });
    return await readImage(store, record, EXCLUDED);
  }
}

/** Runs tsbuild in this process; returns its exit code and what it said. */
export async function runTsbuild(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Ended> {
  const chunks: string[] = [];
  const { stderr } = process;
  const [before, write] = [{ ...process.env }, stderr.write.bind(stderr)];
  Object.assign(process.env, env);
  stderr.write = (chunk: string | Uint8Array): boolean => {
    chunks.push(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8'));
    return true;
  };
  try {
    return { exitCode: await runCli(args), said: chunks.join('') };
  } finally {
    stderr.write = write;
    for (const name of Object.keys(process.env)) {
      if (before[name] === undefined) Reflect.deleteProperty(process.env, name);
    }
    Object.assign(process.env, before);
  }
}
