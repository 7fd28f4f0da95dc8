import type { CacheKey } from '../cache/key.js';
import type { LayerId } from '../layer/types.js';
import type { ImageConfig } from '../oci/config.js';
import type { Descriptor } from '../oci/descriptor.js';
import type { Digest } from '../oci/digest.js';
import type { Scope } from './scope.js';

/** A layer's uncompressed tar. */
export interface LayerDigest {
  readonly diffId: Digest;
  /** Bytes of the tar; of a base image's layer, of its blob. */
  readonly size: number;
}

/** One layer of a stage. */
export interface StageLayer {
  readonly id: LayerId;
  /** Computed beside later steps. */
  readonly digest: Promise<LayerDigest>;
  /** The stored or virtual blob of a base image's layer, to be reused byte for byte. */
  readonly descriptor: Descriptor | undefined;
}

/** What a step adds to the image's history. */
export interface HistoryStep {
  readonly createdBy: string;
  /**
   * Milliseconds since 1970: when the step was carried out, however old that is. Undefined for
   * settings: they get the time of what is beside them, so that a rebuild gives the same image.
   */
  readonly createdMs: number | undefined;
  readonly layer: StageLayer | undefined;
}

/**
 * A stage after some of its steps. Values: a step makes a new one. `image` has the settings as
 * they are now, and the base's history and diffIds; what came since is in `history`.
 */
export interface StageState {
  /** Base first. */
  readonly layers: readonly StageLayer[];
  /** Identifies the files: what made them. */
  readonly key: CacheKey;
  readonly image: ImageConfig;
  readonly history: readonly HistoryStep[];
  readonly scope: Scope;
  /** CMD was given since FROM: ENTRYPOINT does not reset it. */
  readonly hasOwnCmd: boolean;
  /** The time of the base image; milliseconds since 1970. */
  readonly createdMs: number | undefined;
}

/** The layers that an overlay of this state is made of, base first. */
export function lowersOf(state: Pick<StageState, 'layers'>): { kind: 'indexed'; id: LayerId }[] {
  return state.layers.map(({ id }) => ({ kind: 'indexed', id }));
}

/** The state with one more entry in its history, and its layer if there is one. */
export function withStep(
  state: StageState,
  step: HistoryStep,
  changes: Partial<StageState> = {},
): StageState {
  return {
    ...state,
    ...changes,
    layers: step.layer === undefined ? state.layers : [...state.layers, step.layer],
    history: [...state.history, step],
  };
}
