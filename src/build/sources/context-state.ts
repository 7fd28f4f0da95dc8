import { statSync } from 'node:fs';
import path from 'node:path';
import type { CacheKey } from '../../cache/key.js';
import { cacheKeyOf } from '../../cache/key.js';
import { findContentLayer, putContentLayer } from '../../cache/records.js';
import type { LayerId } from '../../layer/types.js';
import type { Platform } from '../../oci/platform.js';
import type { ByteName } from '../../util/byte-name.js';
import { scratchState } from '../base-image.js';
import type { ContextSource } from '../context.js';
import { DirectoryContext, findIgnore } from '../context.js';
import { gather } from '../copy-group.js';
import type { SourceFiles } from '../copy-source.js';
import { editImage } from '../image-access.js';
import type { RunningVertex } from '../progress.js';
import type { Session } from '../session.js';
import type { StageLayer, StageState } from '../state.js';
import { withStep } from '../state.js';
import { nodeMeta } from '../tree-nodes.js';
import type { FileContext } from './named-contexts.js';

/** The name that BuildKit gives the one file of an http context. */
const HTTP_NAME = 'context';

/** The directories that named contexts are, each opened once in a build. */
export class NamedDirectories implements Disposable {
  readonly #open = new Map<string, ContextSource>();

  /** A directory as a context, with its own ignore file. `name`: for messages. */
  get(session: Session, directory: string, name: string): ContextSource {
    const known = this.#open.get(directory);
    if (known !== undefined) return known;
    const { records } = session;
    const ignore = findIgnore(directory, undefined);
    const what = `build context "${name}"`;
    const context = new DirectoryContext(directory, { records, ignore, what });
    this.#open.set(directory, context);
    return context;
  }

  [Symbol.dispose](): void {
    for (const context of this.#open.values()) context[Symbol.dispose]();
  }

  /** See {@link ContextSource.remember}. */
  async remember(): Promise<void> {
    for (const context of this.#open.values()) await context.remember();
  }
}

/** What resolving a named context takes. */
export interface ContextStateWish {
  readonly name: string;
  readonly context: FileContext;
  readonly platform: Platform;
  readonly running: RunningVertex | undefined;
}

/** The files of a named context as a stage: one layer, and the settings of scratch. */
export async function contextState(
  session: Session,
  { name, context, platform, running }: ContextStateWish,
): Promise<StageState> {
  const { layer, key } = await layerOf(session, name, context, running);
  const { sourceDateEpoch } = session.options;
  const index = path.join(session.store.layers.dirOf(layer), 'index');
  // As long as the layer is there, it has the same time: a rebuild gives the same image.
  const createdMs =
    sourceDateEpoch === undefined ? statSync(index).mtimeMs : sourceDateEpoch * 1000;
  const createdBy = `FROM ${name} # build context`;
  const scratch = scratchState(platform);
  return withStep(
    scratch,
    { createdBy, createdMs: Math.floor(createdMs), layer: lazyLayer(session, layer) },
    { key },
  );
}

async function layerOf(
  session: Session,
  name: string,
  context: FileContext,
  running: RunningVertex | undefined,
): Promise<{ layer: LayerId; key: CacheKey }> {
  const onBytes: RunningVertex['progress'] = (...args) => running?.progress(...args);
  switch (context.kind) {
    case 'git': {
      const keepGitDir = context.url.keepGitDir ?? false;
      return await session.sources.git(context.url, { keepGitDir, onBytes });
    }
    case 'http':
      return await session.sources.http(context.target, { name: HTTP_NAME, onBytes });
    case 'directory': {
      const source = session.directories.get(session, context.path, name);
      return await directoryLayer(session, await source.open());
    }
  }
}

/** All files of a directory, frozen as they are now; found again by their content. */
async function directoryLayer<Node>(
  session: Session,
  files: SourceFiles<Node>,
): Promise<{ layer: LayerId; key: CacheKey }> {
  const { signal, records, store } = session;
  const match = { path: '' as ByteName, node: files.root };
  const group = await gather(files, [match], { signal, unpack: false, filter: {} });
  const key = cacheKeyOf([
    ['named-context', await group.digest(undefined)],
    ['epoch', session.options.sourceDateEpoch],
  ]);
  const known = await findContentLayer(records, key);
  if (known !== undefined && store.layers.has(known)) return { layer: known, key };
  const destination = { path: '/', isDirectory: true, several: false };
  const changes = { owner: undefined, changeMode: undefined };
  const layer = await editImage(session, { layers: [] }, async (tree) => {
    await group.copy({ tree, destination, changes, nowMs: 0, signal });
    tree.setMeta(tree.root, nodeMeta({ ...files.info(files.root).meta, xattrs: undefined }));
  });
  await putContentLayer(records, key, layer);
  return { layer, key };
}

/** A layer that is measured only if an image needs it. */
function lazyLayer(session: Session, id: LayerId): StageLayer {
  let measured: StageLayer | undefined;
  return {
    id,
    descriptor: undefined,
    get digest() {
      return (measured ??= session.packer.measure(id)).digest;
    },
  };
}
