import * as v from 'valibot';
import { digestSchema } from './descriptor.js';
import type { Digest } from './digest.js';
import type { Schema } from './json.js';
import { encodeJson, parseJson, wireObject } from './json.js';
import type { Platform } from './platform.js';

/** How to see whether a container is well; durations in nanoseconds. */
export interface Healthcheck {
  /** `['NONE']`, `['CMD', ...argv]` or `['CMD-SHELL', command]`; absent or empty: inherit. */
  readonly Test?: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}

/** What a container of the image starts with (image-spec config.md, and docker's additions). */
export interface ContainerConfig {
  readonly User?: string;
  readonly ExposedPorts?: Readonly<Record<string, object>>;
  /** `NAME=value`. */
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Volumes?: Readonly<Record<string, object>>;
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
  readonly Healthcheck?: Healthcheck;
  readonly Shell?: readonly string[];
  readonly OnBuild?: readonly string[];
  readonly ArgsEscaped?: boolean;
}

/** One step of how an image came about. */
export interface HistoryEntry {
  /** RFC 3339. */
  readonly created?: string;
  readonly created_by?: string;
  readonly author?: string;
  readonly comment?: string;
  /** The step made no layer. */
  readonly empty_layer?: boolean;
}

/** An image's config, as on the wire. Unknown fields survive. */
export interface ImageConfig {
  readonly created?: string;
  readonly author?: string;
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string;
  readonly config?: ContainerConfig;
  readonly rootfs: { readonly type: 'layers'; readonly diff_ids: readonly Digest[] };
  readonly history?: readonly HistoryEntry[];
}

const strings = v.array(v.string());
const set = v.record(v.string(), v.looseObject({}));

const healthcheckSchema: Schema<Healthcheck> = wireObject({
  Test: v.exactOptional(strings),
  Interval: v.exactOptional(v.number()),
  Timeout: v.exactOptional(v.number()),
  StartPeriod: v.exactOptional(v.number()),
  StartInterval: v.exactOptional(v.number()),
  Retries: v.exactOptional(v.number()),
});

const containerSchema: Schema<ContainerConfig> = wireObject({
  User: v.exactOptional(v.string()),
  ExposedPorts: v.exactOptional(set),
  Env: v.exactOptional(strings),
  Entrypoint: v.exactOptional(strings),
  Cmd: v.exactOptional(strings),
  Volumes: v.exactOptional(set),
  WorkingDir: v.exactOptional(v.string()),
  Labels: v.exactOptional(v.record(v.string(), v.string())),
  StopSignal: v.exactOptional(v.string()),
  Healthcheck: v.exactOptional(healthcheckSchema),
  Shell: v.exactOptional(strings),
  OnBuild: v.exactOptional(strings),
  ArgsEscaped: v.exactOptional(v.boolean()),
});

const historySchema: Schema<HistoryEntry> = wireObject({
  created: v.exactOptional(v.string()),
  created_by: v.exactOptional(v.string()),
  author: v.exactOptional(v.string()),
  comment: v.exactOptional(v.string()),
  empty_layer: v.exactOptional(v.boolean()),
});

const configSchema: Schema<ImageConfig> = wireObject({
  created: v.exactOptional(v.string()),
  author: v.exactOptional(v.string()),
  architecture: v.string(),
  os: v.string(),
  variant: v.exactOptional(v.string()),
  config: v.exactOptional(containerSchema),
  rootfs: wireObject({
    type: v.literal('layers'),
    diff_ids: v.optional(v.array(digestSchema), []),
  }),
  history: v.exactOptional(v.array(historySchema)),
});

/** Parses an image's config; UserError TSB_IMAGE_INVALID. */
export function parseConfig(bytes: Uint8Array, what: string): ImageConfig {
  return parseJson(bytes, configSchema, what);
}

/** The bytes of a config, as stored. */
export function encodeConfig(config: ImageConfig): Buffer {
  return encodeJson(config);
}

/** The config of `FROM scratch`. */
export function emptyConfig({ os, architecture, variant }: Platform): ImageConfig {
  return {
    architecture,
    os,
    ...(variant !== undefined && { variant }),
    config: {},
    rootfs: { type: 'layers', diff_ids: [] },
    history: [],
  };
}

/** The platform that a config says. */
export function configPlatform({ os, architecture, variant }: ImageConfig): Platform {
  return { os, architecture, ...(variant !== undefined && { variant }) };
}
