import type { ImageConfig } from '../oci/config.js';
import { configPlatform, encodeConfig } from '../oci/config.js';
import type { Descriptor } from '../oci/descriptor.js';
import { describeBytes } from '../oci/descriptor.js';
import { addStep, editContainer } from '../oci/edit-config.js';
import { encodeJson } from '../oci/json.js';
import { ociManifest } from '../oci/manifest.js';
import { layerCompression, layerMediaType, MEDIA_TYPE } from '../oci/media-types.js';
import { parsePlatform, platformMatches, shortPlatform, type Platform } from '../oci/platform.js';
import type { Reference } from '../oci/reference.js';
import type { ImageRecord } from '../store/images.js';
import type { Store } from '../store/store.js';
import { redactUrls } from '../util/redact.js';
import type { Annotation, AnnotationTarget } from './options.js';
import type { Session } from './session.js';
import type { StageLayer, StageState } from './state.js';

/** Marks the history of images that tsbuild made. */
const HISTORY_COMMENT = 'tsbuild';

/** A finished image, in the store. */
export interface CommittedImage {
  readonly record: ImageRecord;
  readonly manifest: Descriptor;
  readonly config: Descriptor;
}

/**
 * Makes the image of a state: its config with the whole history, and a manifest whose base
 * layers are the base image's own descriptors, and whose new layers are uncompressed tars that
 * the store makes when somebody reads them. The same state gives the same bytes.
 */
export async function commitImage(
  session: Session,
  state: StageState,
  { tags }: { tags: readonly Reference[] },
): Promise<CommittedImage> {
  const image = await configOf(session, state);
  const configBytes = encodeConfig(image);
  const config = describeBytes(MEDIA_TYPE.ociConfig, configBytes);
  const layers: Descriptor[] = [];
  for (const layer of state.layers) layers.push(await describeLayer(layer));
  const platform = configPlatform(image);
  const annotated = annotationsFor(session.options.annotations ?? [], platform);
  const manifestBytes = encodeJson(ociManifest(config, layers, annotated('manifest')));
  const described = annotated('manifest-descriptor');
  const manifest = {
    ...describeBytes(MEDIA_TYPE.ociManifest, manifestBytes),
    ...(described && { annotations: described }),
  };
  await putBlob(session.store, config, configBytes);
  await putBlob(session.store, manifest, manifestBytes);
  const record = { manifest, platform, created: new Date().toISOString() };
  for (const tag of tags) session.store.images.put(tag, record);
  return { record, manifest, config };
}

/** The annotations of each target for an image of `platform`; undefined: none. */
function annotationsFor(
  annotations: readonly Annotation[],
  platform: Platform,
): (target: AnnotationTarget) => Record<string, string> | undefined {
  return (target) => {
    const own = annotations.filter(
      (each) =>
        each.target === target &&
        (each.platform === undefined || platformMatches(parsePlatform(each.platform), platform)),
    );
    if (own.length === 0) return undefined;
    return Object.fromEntries(own.map(({ key, value }) => [key, value]));
  };
}

async function configOf(session: Session, state: StageState): Promise<ImageConfig> {
  const { labels } = session.options;
  let config = withWholeHistory(state.image);
  let createdMs = firstTime(session, state);
  for (const { createdBy, layer, ...step } of state.history) {
    createdMs = step.createdMs ?? createdMs;
    config = addStep(config, {
      diffId: (await layer?.digest)?.diffId,
      history: { created_by: redactUrls(createdBy), comment: HISTORY_COMMENT },
      created: timeText(createdMs),
    });
  }
  if (session.options.platform !== undefined) {
    // As in BuildKit: what was asked for counts, whatever the base says.
    config = { ...config, ...shortPlatform(session.platform) };
  }
  if (Object.keys(labels).length > 0) {
    config = editContainer(config, { Labels: { ...config.config?.Labels, ...labels } });
  }
  return { ...config, created: timeText(createdMs) };
}

/** The config with a history entry for each layer, as tools expect: some images have none. */
function withWholeHistory(config: ImageConfig): ImageConfig {
  const history = config.history ?? [];
  const known = history.filter((entry) => entry.empty_layer !== true).length;
  const missing = config.rootfs.diff_ids.length - known;
  if (missing <= 0) return config;
  const entries = Array.from({ length: missing }, () => ({ comment: 'no history' }));
  return { ...config, history: [...history, ...entries] };
}

/** The time of settings that stand before the first layer of their own image. */
function firstTime(session: Session, { createdMs, history }: StageState): number {
  if (session.options.sourceDateEpoch !== undefined) return session.createdMs();
  const first = history.find((step) => step.createdMs !== undefined);
  return createdMs ?? first?.createdMs ?? session.createdMs();
}

async function describeLayer({ digest, descriptor }: StageLayer): Promise<Descriptor> {
  if (descriptor !== undefined) {
    const mediaType = layerMediaType(layerCompression(descriptor.mediaType));
    return { ...descriptor, mediaType };
  }
  const { diffId, size } = await digest;
  return { mediaType: MEDIA_TYPE.ociLayer, digest: diffId, size };
}

async function putBlob(store: Store, { digest }: Descriptor, bytes: Buffer): Promise<void> {
  if (!store.blobs.has(digest)) await store.blobs.writeBytes(bytes);
}

/** RFC 3339 without a fraction where there is none, as Go writes it. */
function timeText(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z');
}
