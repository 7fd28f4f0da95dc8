import type { ContainerConfig, HistoryEntry, ImageConfig } from './config.js';
import type { Digest } from './digest.js';

/** What a step adds to an image's config. */
export interface Step {
  /** The layer that it made; undefined: none. */
  readonly diffId: Digest | undefined;
  readonly history: Omit<HistoryEntry, 'empty_layer'>;
  /** RFC 3339; becomes the image's `created` too. */
  readonly created: string;
}

/** The config with one more step: its layer, its history entry, its time. Nothing is mutated. */
export function addStep(config: ImageConfig, { diffId, history, created }: Step): ImageConfig {
  const entry: HistoryEntry = {
    created,
    ...history,
    ...(diffId === undefined && { empty_layer: true }),
  };
  const diffIds = config.rootfs.diff_ids;
  return {
    ...config,
    created,
    rootfs: { ...config.rootfs, diff_ids: diffId === undefined ? diffIds : [...diffIds, diffId] },
    history: [...(config.history ?? []), entry],
  };
}

/** The config with these settings changed; `undefined` removes one. Nothing is mutated. */
export function editContainer(
  config: ImageConfig,
  changes: { readonly [Key in keyof ContainerConfig]?: ContainerConfig[Key] | undefined },
): ImageConfig {
  const merged = Object.entries({ ...config.config, ...changes });
  const container = Object.fromEntries(merged.filter(([, value]) => value !== undefined));
  return { ...config, config: container };
}

/** `env` with NAME set: in its place if it is there, else at the end. */
export function setEnv(env: readonly string[], name: string, value: string): string[] {
  const entry = `${name}=${value}`;
  const at = env.findIndex((other) => nameOf(other) === name);
  return at === -1 ? [...env, entry] : env.map((other, index) => (index === at ? entry : other));
}

/** The names and values of an `Env` list; the last of a name counts. */
export function envMap(env: readonly string[]): Map<string, string> {
  return new Map(env.map((entry) => [nameOf(entry), entry.slice(nameOf(entry).length + 1)]));
}

function nameOf(entry: string): string {
  const equals = entry.indexOf('=');
  return equals === -1 ? entry : entry.slice(0, equals);
}
