import { cacheKeyOf } from '../cache/key.js';
import { chainIdOf } from '../oci/chain-id.js';
import { emptyConfig, type ImageConfig } from '../oci/config.js';
import { editContainer } from '../oci/edit-config.js';
import type { ImageSource } from '../oci/image-source.js';
import { formatPlatform, platformMatches, shortPlatform, type Platform } from '../oci/platform.js';
import { formatFamiliar, withDefaultTag } from '../oci/reference.js';
import type { Reference } from '../oci/reference.js';
import type { ImageRecord } from '../store/images.js';
import type { StoredImage } from '../store/stored-image.js';
import { ensureLayers, findLayers } from '../store/unpack-layers.js';
import type { ErrorCode } from '../util/error-codes.js';
import { UserError } from '../util/errors.js';
import type { RunningVertex } from './progress.js';
import { pullToStore } from './pull-image.js';
import { DEFAULT_PATH, formatEnv, parseEnv } from './scope.js';
import type { Session } from './session.js';
import type { StageState } from './state.js';
import { unmappedIdsWarning } from './unmapped-ids.js';

/** The state of `FROM scratch`: no files, and docker's default PATH. */
export function scratchState(platform: Platform): StageState {
  const env = { PATH: DEFAULT_PATH };
  const Env = formatEnv(env);
  const image = editContainer(emptyConfig(shortPlatform(platform)), { Env, WorkingDir: '/' });
  return {
    layers: [],
    history: [],
    image,
    hasOwnCmd: false,
    key: cacheKeyOf([['base', 'scratch']]),
    scope: { env, args: {} },
    createdMs: undefined,
  };
}

/** Which image is wanted, and who is told how far it is. */
export interface ImageWish {
  readonly platform: Platform;
  readonly running: RunningVertex | undefined;
}

/** The state of an image: found or pulled, its layers unpacked. */
export async function imageState(
  session: Session,
  source: ImageSource,
  wish: ImageWish,
): Promise<StageState> {
  const { running } = wish;
  const record = await findRecord(session, source, wish);
  const stored = await session.store.loadImage(record);
  const ids = await unpackLayers(session, stored, running);
  const warning = unmappedIdsWarning(session.store.layers.root, ids);
  if (warning !== undefined) session.progress.warn(warning);
  const { layers } = stored;
  const config = withPath(stored.config);
  const env = parseEnv(config.config?.Env ?? []);
  return {
    layers: layers.flatMap(({ descriptor, diffId }, index) => {
      const id = ids[index];
      const digest = Promise.resolve({ diffId, size: descriptor.size });
      return id === undefined ? [] : [{ id, digest, descriptor }];
    }),
    key: cacheKeyOf([['base', chainIdOf(layers.map(({ diffId }) => diffId))]]),
    image: config,
    history: [],
    hasOwnCmd: false,
    scope: { env, args: {} },
    createdMs: Date.parse(config.created ?? '') || undefined,
  };
}

/** As in BuildKit: an image without a PATH gets one. */
function withPath(config: ImageConfig): ImageConfig {
  const Env = config.config?.Env ?? [];
  if (Object.hasOwn(parseEnv(Env), 'PATH')) return config;
  return editContainer(config, { Env: [...Env, `PATH=${DEFAULT_PATH}`] });
}

async function unpackLayers(
  session: Session,
  { layers }: StoredImage,
  running: RunningVertex | undefined,
): Promise<Awaited<ReturnType<typeof ensureLayers>>> {
  const isMissing = findLayers(session.store, layers).includes(undefined);
  if (isMissing) session.expectWork();
  running?.outcome({ cached: !isMissing });
  const unpacked = new Map<string, number>();
  return await ensureLayers(session.store, layers, {
    signal: session.signal,
    onProgress: (diffId, bytes) => {
      unpacked.set(diffId, bytes);
      const sum = [...unpacked.values()].reduce((total, each) => total + each, 0);
      running?.progress('bytes', sum);
    },
  });
}

async function findRecord(
  session: Session,
  source: ImageSource,
  { running, platform }: ImageWish,
): Promise<ImageRecord> {
  const { pull } = session.options;
  if (source.kind !== 'reference') {
    const { importImage } = await import('../output/import-image.js');
    session.expectWork();
    return await importImage(session.store, source, {
      platform,
      signal: session.signal,
      onProgress: (bytes) => running?.progress('bytes', bytes),
    });
  }
  const reference = withDefaultTag(source.reference);
  const local = session.store.images.get(reference, platform);
  const asks = pull === 'always' || pull === 'newer';
  if (local !== undefined && !asks) {
    if (platformMatches(local.platform, platform)) return local;
    if (pull === 'never') throw wrongPlatform(platform, reference, local);
  }
  if (pull === 'never') {
    const name = formatFamiliar(reference);
    throw new UserError('TSB_IMAGE_NOT_FOUND', `Cannot find image "${name}" in the local store`, {
      hint: `Allow pulling it, or type: tsbuild pull ${name}`,
    });
  }
  session.expectWork();
  try {
    return await pullToStore(session, reference, { platform, parent: running?.id });
  } catch (error) {
    const isOwn = local !== undefined && platformMatches(local.platform, platform);
    if (pull === 'newer' && isOwn && isOutOfReach(error)) return local;
    throw withBootstrapHint(error, reference);
  }
}

function isOutOfReach(error: unknown): boolean {
  const codes: readonly ErrorCode[] = ['TSB_NETWORK', 'TSB_IMAGE_NOT_FOUND', 'TSB_AUTH'];
  return error instanceof UserError && codes.includes(error.code);
}

/** Debian's images need no registry: who cannot reach one is told so. */
function withBootstrapHint(error: unknown, reference: Reference): unknown {
  if (!(error instanceof UserError) || error.code !== 'TSB_NETWORK') return error;
  if (reference.path !== 'library/debian') return error;
  const { code, message, hint } = error;
  const bootstrap = `make it from a Debian mirror: tsbuild bootstrap ${formatFamiliar(reference)}`;
  const both = hint === undefined ? bootstrap : `${hint}; or ${bootstrap}`;
  return new UserError(code, message, { hint: both, cause: error });
}

function wrongPlatform(platform: Platform, reference: Reference, local: ImageRecord): UserError {
  const [found, want] = [formatPlatform(local.platform), formatPlatform(platform)];
  return new UserError(
    'TSB_IMAGE_NOT_FOUND',
    `Cannot use image "${formatFamiliar(reference)}": found ${found}, want ${want}`,
  );
}
