import * as v from 'valibot';
import type { Digest } from './digest.js';
import { digestOf, isDigest } from './digest.js';
import type { Schema } from './json.js';
import { wireObject } from './json.js';
import type { Platform } from './platform.js';
import { platformSchema } from './platform.js';

/** A reference to a blob (image-spec, descriptor.md). Unknown fields survive. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes of the blob. */
  readonly size: number;
  readonly platform?: Platform;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly artifactType?: string;
  /** Where else the blob may be downloaded. Never followed. */
  readonly urls?: readonly string[];
}

export const digestSchema: Schema<Digest> = v.custom<Digest>(
  (value) => typeof value === 'string' && isDigest(value),
  'sha256: and 64 lower-case hex digits',
);

export const annotationsSchema: Schema<Record<string, string>> = v.record(v.string(), v.string());

export const descriptorSchema: Schema<Descriptor> = wireObject({
  mediaType: v.string(),
  digest: digestSchema,
  size: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  platform: v.exactOptional(platformSchema),
  annotations: v.exactOptional(annotationsSchema),
  artifactType: v.exactOptional(v.string()),
  urls: v.exactOptional(v.array(v.string())),
});

/** The descriptor of bytes. */
export function describeBytes(mediaType: string, bytes: Uint8Array): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}
