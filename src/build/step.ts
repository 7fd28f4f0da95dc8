import type { CacheKey, KeyParts, PartDigests } from '../cache/key.js';
import { cacheKeyOf, digestParts } from '../cache/key.js';
import { explainMiss, SECRET_NOT_ALLOWED } from '../cache/explain.js';
import type { Place, StepRecord } from '../cache/records.js';
import { findInputs, findStep, putInputs, putStep } from '../cache/records.js';
import type { LayerId } from '../layer/types.js';
import type { FileInstruction } from './step-config.js';
import type { RunningVertex } from './progress.js';
import type { Session } from './session.js';
import type { SourceReport } from './sources/sources.js';
import type { StageLayer } from './state.js';

/** A step that makes files: what it depends on, and how it is carried out. */
export interface Step {
  readonly place: Place;
  readonly parts: KeyParts;
  /** Whether it is carried out whatever the cache has. */
  readonly noCache: boolean;
  /** Publishes the layer and returns its id; undefined: there was nothing to do. */
  readonly execute: () => Promise<LayerId | undefined>;
}

/** What a step made, now or earlier. */
export interface StepResult {
  readonly key: CacheKey;
  readonly layer: StageLayer | undefined;
  readonly createdMs: number | undefined;
  readonly cached: boolean;
  readonly missReason: string | undefined;
  /** What was looked for in its layer, when it was made or used before. */
  readonly searchedFor?: string | undefined;
  /** What was fetched for it. */
  readonly sources?: readonly SourceReport[];
}

/** Takes the step's layer from the cache, or carries the step out. */
export async function cachedStep(
  session: Session,
  running: RunningVertex,
  { place, parts, noCache, execute }: Step,
): Promise<StepResult> {
  const key = cacheKeyOf(parts);
  const hit = noCache ? undefined : await findResult(session, key);
  if (hit !== undefined) {
    running.outcome({ cached: true });
    return hit;
  }
  const inputs = digestParts(parts);
  const missReason = noCache
    ? 'the cache is switched off'
    : await reasonOf(session, key, { place, inputs });
  running.outcome({ cached: false, missReason });
  session.expectWork();
  const layerId = await execute();
  const createdMs = session.createdMs();
  const layer = layerId === undefined ? undefined : session.packer.measure(layerId);
  session.afterwards(async () => {
    const recorded = layer && { layerId: layer.id, ...(await layer.digest) };
    const secrets = layer === undefined ? [] : session.guard.foundIn(layer.id);
    const { searchedFor } = session.guard;
    const found = secrets.length > 0 ? { secrets } : { searchedFor };
    await putStep(session.records, key, { layer: recorded, createdMs, ...found });
    await putInputs(session.records, place, inputs);
  });
  return { key, layer, createdMs, cached: false, missReason };
}

/**
 * Searches the layer of a cached step for secrets, unless that was done when it was made or used
 * before. `below`: the layers that the step began with; `instruction`: for messages.
 */
export async function guardCached(
  { guard, records }: Session,
  { key, layer, searchedFor }: StepResult,
  { below, instruction }: { below: readonly StageLayer[]; instruction: FileInstruction },
): Promise<void> {
  if (layer === undefined) return;
  if (guard.searchedFor !== undefined && guard.searchedFor === searchedFor) return;
  const { kind, source } = instruction;
  const copied = kind === 'copy' || kind === 'add';
  const lowers = below.map(({ id }) => id);
  const isClean = await guard.check(layer.id, { lowers, source, copied });
  if (!isClean || guard.searchedFor === undefined) return;
  const record = await findStep(records, key);
  if (record?.layer?.layerId !== layer.id) return;
  await putStep(records, key, { ...record, searchedFor: guard.searchedFor });
}

/** Why a step was not found. */
async function reasonOf(
  session: Session,
  key: CacheKey,
  { place, inputs }: { place: Place; inputs: PartDigests },
): Promise<string> {
  const record = await findStep(session.records, key);
  if (record !== undefined && !isAllowed(session, record)) return SECRET_NOT_ALLOWED;
  return explainMiss(inputs, await findInputs(session.records, place));
}

function isAllowed({ guard }: Session, { secrets = [] }: StepRecord): boolean {
  return secrets.every((id) => guard.allows(id));
}

/**
 * The recorded result of a key, if its layer is still in the store, and no secret was left in it
 * that this build does not allow.
 */
export async function findResult(session: Session, key: CacheKey): Promise<StepResult | undefined> {
  const record = await findStep(session.records, key);
  if (record === undefined || !isAllowed(session, record)) return undefined;
  const { createdMs, layer, searchedFor } = record;
  if (layer !== undefined && !session.store.layers.has(layer.layerId)) return undefined;
  const found = layer && {
    id: layer.layerId,
    digest: Promise.resolve({ diffId: layer.diffId, size: layer.size }),
    descriptor: undefined,
  };
  return { key, layer: found, createdMs, cached: true, missReason: undefined, searchedFor };
}
