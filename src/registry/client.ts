import type { ImageConfig } from '../oci/config.js';
import { configPlatform, parseConfig } from '../oci/config.js';
import type { Descriptor } from '../oci/descriptor.js';
import type { Digest } from '../oci/digest.js';
import { chooseManifest } from '../oci/image-index.js';
import type { Manifest } from '../oci/manifest.js';
import { imageLayers } from '../oci/manifest.js';
import { layerCompression } from '../oci/media-types.js';
import type { Platform } from '../oci/platform.js';
import { formatPlatform, normalisePlatform, platformMatches } from '../oci/platform.js';
import type { Reference } from '../oci/reference.js';
import { formatRepository, withDigest } from '../oci/reference.js';
import { UserError } from '../util/errors.js';
import type { Action } from './api.js';
import { quote } from './api.js';
import { downloadBlob } from './blob-download.js';
import type { PushOutcome } from './blob-upload.js';
import { findBlob, uploadBlob } from './blob-upload.js';
import type { FindCredential } from './credentials.js';
import { fetchManifest, findManifestDigest, putManifest } from './fetch-manifest.js';
import type { RegistryLimits } from './limits.js';
import { DEFAULT_LIMITS } from './limits.js';
import { RegistryError } from './registry-error.js';
import type { Retry } from './retry.js';
import { withRetries } from './retry.js';
import { Transport } from './transport.js';

export interface RegistryClientOptions {
  /** Asked for a registry that wants to know who we are; absent: anonymous. */
  readonly credentials?: FindCredential | undefined;
  /** `host[:port]` of registries that speak plain http. All others get https, always. */
  readonly insecureRegistries: readonly string[];
  readonly userAgent: string;
  /** Told before each wait. */
  readonly onRetry?: (retry: Retry) => void;
  /** A registry's message for its users, once each. */
  readonly onWarning?: (domain: string, text: string) => void;
  readonly limits?: Partial<RegistryLimits>;
}

/** One image of a registry: everything but its layers. */
export interface ResolvedImage {
  /** Where it is: the repository at the manifest's digest. */
  readonly reference: Reference;
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly manifestBytes: Buffer;
  readonly config: ImageConfig;
  readonly configBytes: Buffer;
  readonly platform: Platform;
  /** What the reference itself names: the index, if the manifest came from one. */
  readonly root: Descriptor;
}

export interface PushBlobOptions {
  /** A repository of the same registry that may have the blob. */
  readonly mountFrom?: Reference | undefined;
  /** Upload in pieces of this size. */
  readonly chunkBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Images in registries (OCI distribution-spec). Transient failures are tried again, within
 * limits; what is read is checked against its digest. Errors are UserErrors: RegistryError if the
 * registry is at fault. Keeps tokens and connections until disposal.
 */
export class RegistryClient implements AsyncDisposable {
  #transport: Transport;
  #onRetry: ((retry: Retry) => void) | undefined;
  #uploads = new Map<string, Promise<PushOutcome>>();

  constructor(options: RegistryClientOptions) {
    const { credentials, insecureRegistries, userAgent, onRetry, onWarning } = options;
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#transport = new Transport({
      insecureRegistries,
      credentials,
      userAgent,
      limits,
      onWarning,
    });
    this.#onRetry = onRetry;
  }

  /**
   * Finds the image for `platform`: manifest and config. An image whose config is for another
   * platform is refused (TSB_IMAGE_NOT_FOUND), and one with layers that cannot be used
   * (TSB_UNSUPPORTED).
   */
  async resolve(
    reference: Reference,
    { platform, signal }: { platform: Platform; signal?: AbortSignal | undefined },
  ): Promise<ResolvedImage> {
    const fetch = (target: Reference): ReturnType<typeof fetchManifest> =>
      this.#retrying(() => fetchManifest(this.#transport, target, signal), signal);
    let found = await fetch(reference);
    const root = found.descriptor;
    for (let depth = 0; found.parsed.kind === 'index'; depth++) {
      if (depth >= this.#transport.limits.indexDepthMax) {
        throw new UserError('TSB_LIMIT', `Cannot use ${quote(reference)}: indexes too deep`);
      }
      const chosen = chooseManifest(found.parsed.index, platform, quote(reference));
      found = await fetch(withDigest(reference, chosen.digest));
    }
    const { manifest } = found.parsed;
    for (const { mediaType } of manifest.layers) layerCompression(mediaType);
    const pinned = withDigest(reference, found.descriptor.digest);
    const configBytes = await this.#fetchConfig(pinned, manifest.config, signal);
    const config = parseConfig(configBytes, `config of ${quote(reference)}`);
    assertPlatform(config, platform, reference);
    imageLayers(manifest, config, quote(reference));
    const { descriptor, bytes: manifestBytes } = found;
    return {
      reference: pinned,
      descriptor,
      manifest,
      manifestBytes,
      config,
      configBytes,
      platform: normalisePlatform(configPlatform(config)),
      root,
    };
  }

  /** The digest of the manifest or index that the reference names; undefined: there is none. */
  findDigest(reference: Reference, signal?: AbortSignal): Promise<Digest | undefined> {
    return this.#retrying(() => findManifestDigest(this.#transport, reference, signal), signal);
  }

  /**
   * A blob's bytes. Nothing is asked before they are read; breaks are resumed; size and digest
   * are checked at the end (TSB_DIGEST_MISMATCH).
   */
  openBlob(
    reference: Reference,
    descriptor: Descriptor,
    signal?: AbortSignal,
  ): Promise<AsyncIterable<Buffer>> {
    const options = { signal, onRetry: this.#onRetry };
    return Promise.resolve(downloadBlob(this.#transport, reference, descriptor, options));
  }

  /** Whether the repository has the blob. */
  hasBlob(reference: Reference, descriptor: Descriptor, signal?: AbortSignal): Promise<boolean> {
    return this.#hasBlob(reference, descriptor, { actions: ['pull'], signal });
  }

  /**
   * Makes the repository have the blob. `open` gives its bytes, once per attempt. Idempotent;
   * calls for one blob and repository at the same time, or later, share one upload.
   */
  pushBlob(
    reference: Reference,
    descriptor: Descriptor,
    open: () => AsyncIterable<Uint8Array>,
    options: PushBlobOptions = {},
  ): Promise<PushOutcome> {
    const key = `${formatRepository(reference)}@${descriptor.digest}`;
    const known = this.#uploads.get(key);
    if (known !== undefined) return known;
    const upload = this.#pushBlob(reference, descriptor, open, options);
    this.#uploads.set(key, upload);
    upload.catch(() => this.#uploads.delete(key));
    return upload;
  }

  /**
   * Stores a manifest or index under the reference's tag, digest, or `latest`. What it names must
   * have been pushed. Returns its digest.
   */
  pushManifest(
    reference: Reference,
    bytes: Buffer,
    mediaType: string,
    signal?: AbortSignal,
  ): Promise<Digest> {
    const put = (): Promise<Digest> =>
      putManifest(this.#transport, reference, { bytes, mediaType, signal });
    return this.#retrying(put, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#transport[Symbol.asyncDispose]();
  }

  async #pushBlob(
    reference: Reference,
    descriptor: Descriptor,
    open: () => AsyncIterable<Uint8Array>,
    { mountFrom, chunkBytes, signal }: PushBlobOptions,
  ): Promise<PushOutcome> {
    // A repository that does not exist yet may be looked at only by those who may make it.
    const actions = ['pull', 'push'] as const;
    if (await this.#hasBlob(reference, descriptor, { actions, signal })) return 'existed';
    const upload = (from?: Reference): Promise<PushOutcome> => {
      const options = { mountFrom: from, chunkBytes, signal };
      return this.#retrying(
        () => uploadBlob(this.#transport, reference, descriptor, open, options),
        signal,
      );
    };
    try {
      return await upload(mountFrom);
    } catch (error) {
      // Mounting needs to read the other repository, which may not be allowed.
      if (mountFrom === undefined || !isRefused(error)) throw error;
      return await upload();
    }
  }

  #hasBlob(
    reference: Reference,
    descriptor: Descriptor,
    options: { actions: readonly Action[]; signal: AbortSignal | undefined },
  ): Promise<boolean> {
    const find = (): Promise<boolean> => findBlob(this.#transport, reference, descriptor, options);
    return this.#retrying(find, options.signal);
  }

  async #fetchConfig(
    reference: Reference,
    descriptor: Descriptor,
    signal: AbortSignal | undefined,
  ): Promise<Buffer> {
    const { configBytesMax } = this.#transport.limits;
    if (descriptor.size > configBytesMax) {
      const found = `${descriptor.size} bytes, want at most ${configBytesMax}`;
      throw new UserError('TSB_LIMIT', `Cannot fetch config of ${quote(reference)}: ${found}`);
    }
    const chunks: Buffer[] = [];
    for await (const chunk of await this.openBlob(reference, descriptor, signal))
      chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  #retrying<T>(operation: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const { limits } = this.#transport;
    return withRetries(operation, { limits, signal, onRetry: this.#onRetry });
  }
}

function isRefused(error: unknown): boolean {
  return error instanceof RegistryError && error.code === 'TSB_AUTH';
}

function assertPlatform(config: ImageConfig, wanted: Platform, reference: Reference): void {
  const found = configPlatform(config);
  if (platformMatches(found, wanted)) return;
  const name = formatPlatform(normalisePlatform(found));
  throw new UserError(
    'TSB_IMAGE_NOT_FOUND',
    `Cannot find ${formatPlatform(wanted)} in ${quote(reference)}`,
    { hint: `it is for ${name} alone: choose with --platform` },
  );
}
