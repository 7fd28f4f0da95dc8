import fs from 'node:fs';
import path from 'node:path';

import { LayerReader } from '../../layer/layer-reader.js';
import { readTree } from '../../layer/read-tree.js';
import type { LayerId } from '../../layer/types.js';
import { ImageTree } from '../../overlay/image-tree.js';
import { OverlayFileSystem } from '../../overlay/overlay-filesystem.js';
import { Overlay } from '../../overlay/overlay.js';
import { applyLayers } from '../apply-layers.js';
import { describeTree, withoutSockets } from '../overlay-fixture.js';
import { tripLayer } from '../trip-layer.js';
import { Comparison, exactTime } from './compare.js';
import { InProcessSubject } from './in-process.js';
import type { CompleteFileSystem } from './paths.js';
import { formatOperation, type Operation } from './operations.js';
import { Trial, timeOf, type Difference } from './trial.js';

/** Small, so that contents leave memory. */
const MEMORY_BYTES_MAX = 300_000;

/** An overlay beside the model, in one process, step after step. */
export class OverlayTrial implements Disposable {
  readonly #trial = new Trial(exactTime);
  readonly #dir: string;
  readonly #layers: LayerId[] = [];
  /** The same layers after a trip through an archive. */
  readonly #tripped: LayerId[] = [];
  #overlay: Overlay;
  #subject: InProcessSubject;
  #upper: LayerId = '' as LayerId;

  constructor(dir: string) {
    this.#dir = dir;
    fs.mkdirSync(dir, { recursive: true });
    [this.#overlay, this.#subject] = this.#open();
    // The first layer says what the root is like.
    this.#subject.handlers.chmod({ path: '', mode: this.#trial.model.root.mode & 0o7777 });
  }

  get model(): Trial['model'] {
    return this.#trial.model;
  }

  readonly #dirOf = (id: LayerId): string => path.join(this.#dir, id);

  #newId(): LayerId {
    return String(this.#layers.length + this.#tripped.length).padStart(32, '0') as LayerId;
  }

  #openLayers(ids: readonly LayerId[], upper?: LayerId): Overlay {
    return Overlay.open({
      lowers: ids.map((id) => ({ kind: 'indexed', id })),
      layerDirOf: this.#dirOf,
      upperdir: upper === undefined ? undefined : this.#dirOf(upper),
      clock: () => timeOf(this.#trial.index),
      memoryBytesMax: MEMORY_BYTES_MAX,
    });
  }

  #subjectOf(overlay: Overlay): InProcessSubject {
    const fileSystem = new OverlayFileSystem(overlay) as unknown as CompleteFileSystem;
    return new InProcessSubject(fileSystem, () => timeOf(this.#trial.index));
  }

  #open(): [Overlay, InProcessSubject] {
    this.#upper = this.#newId();
    const overlay = this.#openLayers(this.#layers, this.#upper);
    return [overlay, this.#subjectOf(overlay)];
  }

  /** Does operations until something differs. */
  async run(operations: Iterable<Operation>): Promise<Difference | undefined> {
    let index = -1;
    for (const operation of operations) {
      index += 1;
      const message = await this.#tryStep(operation);
      if (message !== undefined) {
        return { index, message: `${formatOperation(operation)}: ${message}` };
      }
    }
    return undefined;
  }

  async #tryStep(operation: Operation): Promise<string | undefined> {
    try {
      const difference = this.#trial.step(operation, this.#subject);
      if (difference !== undefined || operation.op !== 'commit') return difference;
      return await this.#commit();
    } catch (error) {
      return error instanceof Error ? (error.stack ?? error.message) : String(error);
    }
  }

  async #commit(): Promise<string | undefined> {
    this.#overlay.commit({});
    const frozen = this.#trial.verify(this.#subject);
    if (frozen !== undefined) return `after the commit: ${frozen}`;
    this.#subject.unmount();
    this.#overlay[Symbol.dispose]();
    this.#layers.push(this.#upper);
    this.#trial.commit();
    const difference = await this.#verifyLayers();
    [this.#overlay, this.#subject] = this.#open();
    return difference;
  }

  /** The layers show the same: merged, applied one after the other, and after an archive. */
  async #verifyLayers(): Promise<string | undefined> {
    using overlay = this.#openLayers(this.#layers);
    const merged = this.#trial.verify(this.#subjectOf(overlay), new Comparison(exactTime));
    if (merged !== undefined) return `in the next step: ${merged}`;
    const shown = await describeTree(new ImageTree(overlay));
    const applied = applyLayers(this.#layers.map((id) => ({ id, tree: this.#treeOf(id) })));
    const differs = firstDifference(shown, await applied.describe(this.#dirOf));
    if (differs !== undefined) return `layers applied: ${differs}`;
    await this.#trip();
    using again = this.#openLayers(this.#tripped);
    const archived = await describeTree(new ImageTree(again));
    const lost = firstDifference(withoutSockets(shown), archived);
    return lost === undefined ? undefined : `through an archive: ${lost}`;
  }

  #treeOf(id: LayerId): ReturnType<typeof readTree> {
    using reader = LayerReader.open(this.#dirOf(id), id);
    return readTree(reader.index);
  }

  /** Takes the newest layer through an archive. */
  async #trip(): Promise<void> {
    const id = this.#newId();
    await tripLayer(this.#dirOf, this.#upper, id);
    this.#tripped.push(id);
  }

  [Symbol.dispose](): void {
    this.#overlay[Symbol.dispose]();
    fs.rmSync(this.#dir, { recursive: true, force: true });
  }
}

function firstDifference(want: readonly string[], found: readonly string[]): string | undefined {
  const index = want.findIndex((line, i) => line !== found[i]);
  if (index < 0) return found.length > want.length ? `has ${found[want.length] ?? ''}` : undefined;
  return `has ${found[index] ?? 'nothing'}, want ${want[index] ?? ''}`;
}
