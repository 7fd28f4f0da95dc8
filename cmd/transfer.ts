import type { TransferDeps } from '../src/build/pull-image.js';
import type { Vertex } from '../src/build/events.js';
import type { RunningVertex } from '../src/build/progress.js';
import type { Store } from '../src/store/store.js';
import { Cleanup } from '../src/util/cleanup.js';
import type { CommandContext } from './command.js';
import { once } from './once.js';
import { withRenderer, type ProgressMode } from './progress/open.js';
import { openRegistry } from './store.js';

/** Work on images that is shown as one vertex. */
export interface Transfer {
  readonly store: Store;
  readonly mode: ProgressMode;
  readonly vertex: Omit<Vertex, 'id'>;
}

/**
 * Does work outside of a build, shown like a step of one: `work` gets what moving images needs,
 * and the vertex.
 */
export async function withTransfer<T>(
  context: CommandContext,
  { store, mode, vertex }: Transfer,
  work: (deps: TransferDeps, running: RunningVertex) => Promise<T>,
): Promise<T> {
  const { Progress } = await import('../src/build/progress.js');
  const { signal } = context;
  await using cleanup = new Cleanup();
  const registry = once(async () => cleanup.use(await openRegistry(context)));
  return await withRenderer(mode, context, async (emit) => {
    const progress = new Progress(emit, signal);
    return await progress.run(progress.add(vertex), (running) =>
      work({ store, registry, progress, signal }, running),
    );
  });
}
