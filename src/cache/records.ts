import type { LayerId } from '../layer/types.js';
import type { Digest } from '../oci/digest.js';
import { isDigest } from '../oci/digest.js';
import type { CacheKey, PartDigests } from './key.js';
import { CanonicalHash } from './key.js';

/** Keeps JSON values under short keys of hex digits. A damaged value reads as undefined. */
export interface RecordStore {
  get(key: string): Promise<unknown>;
  put(key: string, value: unknown): Promise<void>;
}

/** The layer that a step made. */
export interface RecordedLayer {
  readonly layerId: LayerId;
  readonly diffId: Digest;
  /** Bytes of its tar. */
  readonly size: number;
}

/** What a step made; `layer` undefined: no files (a WORKDIR that was there). */
export interface StepRecord {
  readonly layer: RecordedLayer | undefined;
  /** Milliseconds since 1970. */
  readonly createdMs: number;
  /** Ids of secrets that are in the layer, because the caller allowed it; absent: none. */
  readonly secrets?: readonly string[];
  /** What was looked for in the layer and not found; nothing of the secrets themselves. */
  readonly searchedFor?: string | undefined;
}

/** The record of a step; undefined: there is none that this version understands. */
export async function findStep(store: RecordStore, key: CacheKey): Promise<StepRecord | undefined> {
  const value = await store.get(key);
  if (!isObject(value) || typeof value['createdMs'] !== 'number') return undefined;
  const { createdMs, layer, secrets = [], searchedFor: searched } = value;
  const searchedFor = typeof searched === 'string' ? searched : undefined;
  if (!Array.isArray(secrets) || !secrets.every((id) => typeof id === 'string')) return undefined;
  if (layer === undefined) return { layer: undefined, createdMs };
  if (!isObject(layer)) return undefined;
  const { layerId, diffId, size } = layer;
  if (typeof layerId !== 'string' || typeof size !== 'number') return undefined;
  if (typeof diffId !== 'string' || !isDigest(diffId)) return undefined;
  return { layer: { layerId: layerId as LayerId, diffId, size }, createdMs, secrets, searchedFor };
}

/** Keeps what a step made. */
export async function putStep(
  store: RecordStore,
  key: CacheKey,
  record: StepRecord,
): Promise<void> {
  await store.put(key, record);
}

/**
 * The key by content that was found for a key by definition: a COPY from a stage whose own key
 * is unchanged needs no look at the files.
 */
export async function findAlias(store: RecordStore, key: CacheKey): Promise<CacheKey | undefined> {
  const value = await store.get(key);
  const found = isObject(value) ? value['key'] : undefined;
  return typeof found === 'string' && /^[0-9a-f]{64}$/.test(found)
    ? (found as CacheKey)
    : undefined;
}

export async function putAlias(store: RecordStore, key: CacheKey, to: CacheKey): Promise<void> {
  await store.put(key, { key: to });
}

/** The layer that holds files of this content; it may be gone from the store. */
export async function findContentLayer(
  store: RecordStore,
  key: CacheKey,
): Promise<LayerId | undefined> {
  const value = await store.get(key);
  const found = isObject(value) ? value['contentLayer'] : undefined;
  return typeof found === 'string' ? (found as LayerId) : undefined;
}

export async function putContentLayer(
  store: RecordStore,
  key: CacheKey,
  contentLayer: LayerId,
): Promise<void> {
  await store.put(key, { contentLayer });
}

/** Where a step stands, whatever its inputs: build context, Buildfile, stage, number. */
export type Place = readonly (string | number)[];

/** The inputs that the step at a place was last carried out with. */
export async function findInputs(
  store: RecordStore,
  place: Place,
): Promise<PartDigests | undefined> {
  const value = await store.get(placeKey(place));
  const inputs = isObject(value) ? value['inputs'] : undefined;
  if (!isObject(inputs)) return undefined;
  const entries = Object.entries(inputs);
  return entries.every(([, digest]) => typeof digest === 'string')
    ? (Object.fromEntries(entries) as PartDigests)
    : undefined;
}

export async function putInputs(
  store: RecordStore,
  place: Place,
  inputs: PartDigests,
): Promise<void> {
  await store.put(placeKey(place), { inputs });
}

/** Digests of a context's files, by state (see ContentMemo of src/build). */
export async function findFileDigests(
  store: RecordStore,
  context: string,
): Promise<(readonly [string, string])[]> {
  const value = await store.get(contextKey(context));
  const files = isObject(value) ? value['files'] : undefined;
  if (!isObject(files)) return [];
  return Object.entries(files).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
}

export async function putFileDigests(
  store: RecordStore,
  context: string,
  files: ReadonlyMap<string, string>,
): Promise<void> {
  await store.put(contextKey(context), { files: Object.fromEntries(files) });
}

function placeKey(place: Place): string {
  return new CanonicalHash().add('place').add(place).hex();
}

function contextKey(context: string): string {
  return new CanonicalHash().add('context').add(context).hex();
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
