import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { build } from '../build/build.js';
import type { BuildEvent } from '../build/events.js';
import type { BuildDeps, BuildOptions, BuildResult } from '../build/options.js';
import { ImageTree } from '../overlay/image-tree.js';
import { Overlay } from '../overlay/overlay.js';
import { parseReference } from '../oci/reference.js';
import { Store } from '../store/store.js';
import type { StoredImage } from '../store/stored-image.js';
import { displayName } from '../util/byte-name.js';

/** The name that test builds get. */
const TAG = 'test:latest';

/** A context and a store in a temporary directory, for builds in this very process. */
export class TestBuilds {
  readonly dir: string;
  readonly context: string;
  readonly store: Store;
  /** Of the last build. */
  events: BuildEvent[] = [];

  private constructor(dir: string, store: Store) {
    this.dir = dir;
    this.context = path.join(dir, 'context');
    this.store = store;
    mkdirSync(this.context);
  }

  /** Everything is removed when the test has ended. */
  static async create(t: TestContext): Promise<TestBuilds> {
    const dir = mkdtempSync(path.join(tmpdir(), 'tsbuild-build-'));
    const store = await Store.open(path.join(dir, 'store'));
    t.after(async () => {
      await store[Symbol.asyncDispose]();
      rmSync(dir, { recursive: true, force: true });
    });
    return new TestBuilds(dir, store);
  }

  /** Writes files of the context: content by path. */
  files(files: Readonly<Record<string, string | Buffer>>): void {
    for (const [name, content] of Object.entries(files)) {
      const file = path.join(this.context, name);
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, content);
    }
  }

  /** Builds the text of a Buildfile. */
  async build(
    text: string,
    options: Partial<BuildOptions> = {},
    deps: Partial<BuildDeps> = {},
  ): Promise<BuildResult> {
    this.events = [];
    return await build(
      {
        context: this.context,
        buildfile: { text, path: undefined },
        tags: [TAG],
        buildArgs: {},
        labels: {},
        outputs: [],
        push: false,
        noCache: false,
        pull: 'never',
        network: 'host',
        ...options,
      },
      {
        store: this.store,
        registry: () => Promise.reject(new Error('this test has no registry')),
        emit: (event) => this.events.push(event),
        signal: new AbortController().signal,
        ...deps,
      },
    );
  }

  /** Which steps of the last build came from the cache: `cached`, or why they did not. */
  outcomes({ steps }: BuildResult): string[] {
    return steps.map(({ cached, missReason }) => (cached ? 'cached' : (missReason ?? '')));
  }

  /** The image of the last build. */
  async image(): Promise<StoredImage> {
    const record = this.store.images.get(parseReference(TAG));
    if (record === undefined) throw new Error(`${TAG} is not in the store`);
    return await this.store.loadImage(record);
  }

  /**
   * The files of the last build's image, one line each, sorted: `/dir 755 0:0 dir`,
   * `/file 644 0:0 "content"`, `/link 777 0:0 -> target`.
   */
  async tree(): Promise<string[]> {
    return await this.#withTree((tree) => listTree(tree, tree.root, ''));
  }

  /** How many names each file of the last build's image has, by path; no directories. */
  async linkCounts(): Promise<Record<string, number>> {
    return await this.#collect((node) => (node.isDir ? undefined : node.nlink));
  }

  /** The mtimes of the last build's image, in seconds since 1970, by path. */
  async mtimes(): Promise<Record<string, number>> {
    return await this.#collect((node) => node.mtimeSec);
  }

  /** The names of the extended attributes of the last build's image, by path. */
  async xattrNames(): Promise<Record<string, string[]>> {
    return await this.#collect((node) => node.xattrs && [...node.xattrs.keys()]);
  }

  async #collect<T>(fact: (node: ImageTree['root']) => T | undefined): Promise<Record<string, T>> {
    return await this.#withTree((tree) => {
      const facts: Record<string, T> = {};
      const visit = (dir: ImageTree['root'], prefix: string): void => {
        for (const [name, node] of tree.children(dir)) {
          const file = `${prefix}/${displayName(name)}`;
          const found = fact(node);
          if (found !== undefined) facts[file] = found;
          if (node.isDir) visit(node, file);
        }
      };
      visit(tree.root, '');
      return facts;
    });
  }

  async #withTree<T>(work: (tree: ImageTree) => T): Promise<T> {
    const { layers } = await this.image();
    const lowers = layers.map(({ diffId }) => {
      const id = this.store.layers.findByDiffId(diffId);
      if (id === undefined) throw new Error(`layer ${diffId} is not in the store`);
      return { kind: 'indexed' as const, id };
    });
    using overlay = Overlay.open({
      lowers,
      layerDirOf: (id) => this.store.layers.dirOf(id),
      upperdir: undefined,
    });
    return work(new ImageTree(overlay));
  }
}

const CONTENT_BYTES_MAX = 64 * 1024;
const TYPE_BITS = 0o170000;
const KINDS: Readonly<Record<number, string>> = {
  0o040000: 'dir',
  0o020000: 'chr',
  0o060000: 'blk',
  0o010000: 'fifo',
};

/** The files below a directory, one line each. */
export function listTree(tree: ImageTree, dir: ImageTree['root'], prefix: string): string[] {
  return [...tree.children(dir)].flatMap(([name, node]) => {
    const file = `${prefix}/${displayName(name)}`;
    const type = node.mode & TYPE_BITS;
    const head = `${file} ${(node.mode & 0o7777).toString(8)} ${node.uid}:${node.gid}`;
    const kind = KINDS[type];
    if (kind === 'dir') return [`${head} dir`, ...listTree(tree, node, file)];
    if (kind !== undefined) return [`${head} ${kind}`];
    if (type === 0o120000) return [`${head} -> ${displayName(tree.readlink(node))}`];
    const content = tree.readAll(node, CONTENT_BYTES_MAX).toString('utf8');
    return [`${head} ${JSON.stringify(content)}`];
  });
}
