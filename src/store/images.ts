import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import * as v from 'valibot';
import { descriptorSchema, type Descriptor } from '../oci/descriptor.js';
import { formatPlatform, normalisePlatform, platformMatches } from '../oci/platform.js';
import { platformSchema, type Platform } from '../oci/platform.js';
import { formatReference, withDefaultTag, type Reference } from '../oci/reference.js';
import { UserError } from '../util/errors.js';
import {
  findFileText,
  listNames,
  syncDirectory,
  tryParseJson,
  writeFileAtomic,
} from './atomic-file.js';

/** What the store knows of an image; the manifest is a blob. */
export interface ImageRecord {
  readonly manifest: Descriptor;
  readonly platform: Platform;
  /** When it was put into the store, RFC 3339. */
  readonly created: string;
}

/** A record and the canonical reference it is under. */
export interface NamedImage {
  readonly reference: string;
  readonly record: ImageRecord;
}

const FILE_VERSION = 1;
const NAME_LENGTH_MAX = 200;

const fileSchema = v.object({
  version: v.literal(FILE_VERSION),
  reference: v.string(),
  manifest: descriptorSchema,
  platform: platformSchema,
  created: v.string(),
});

/** Images by reference: one file each. */
export class ImageStore {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /**
   * The image under a reference (`:latest` if it has neither tag nor digest). With `platform`
   * rather one of these that was put beside it.
   */
  get(reference: Reference, platform?: Platform): ImageRecord | undefined {
    const name = canonicalName(reference);
    const beside = platform && this.#read(fileNameOf(besideName(name, platform)));
    return (beside ?? this.#read(fileNameOf(name)))?.record;
  }

  /** Puts an image under a reference, instead of what was there. Its blobs must be there. */
  put(reference: Reference, record: ImageRecord): void {
    const name = canonicalName(reference);
    this.#write(fileNameOf(name), name, record);
  }

  /**
   * Puts an image beside one of another platform that has the reference; if there is none, as
   * {@link put}.
   */
  putBeside(reference: Reference, record: ImageRecord): void {
    const name = canonicalName(reference);
    const { platform } = record;
    const first = this.#read(fileNameOf(name));
    const isOther = first !== undefined && !platformMatches(first.record.platform, platform);
    this.#write(fileNameOf(isOther ? besideName(name, platform) : name), name, record);
  }

  /** All images, sorted by reference. */
  list(): NamedImage[] {
    return listNames(this.#dir)
      .flatMap((name) => this.#read(name) ?? [])
      .sort((a, b) => (a.reference < b.reference ? -1 : 1));
  }

  /** Removes a reference; false if it was not there. Blobs and layers are the collector's. */
  remove(reference: Reference): boolean {
    const name = canonicalName(reference);
    const known = listNames(this.#dir).filter((file) => this.#read(file)?.reference === name);
    if (known.length === 0) return false;
    for (const file of known) fs.rmSync(path.join(this.#dir, file), { force: true });
    syncDirectory(this.#dir);
    return true;
  }

  #write(file: string, reference: string, { manifest, platform, created }: ImageRecord): void {
    const content = { version: FILE_VERSION, reference, manifest, platform, created };
    writeFileAtomic(this.#dir, file, JSON.stringify(content));
  }

  #read(name: string): NamedImage | undefined {
    const file = path.join(this.#dir, name);
    const text = findFileText(file);
    if (text === undefined) return undefined;
    const parsed = v.safeParse(fileSchema, tryParseJson(text));
    if (!parsed.success) {
      throw new UserError('TSB_STORE', `Cannot read image record '${file}': it is damaged`, {
        hint: `remove it: rm '${file}'`,
      });
    }
    const { reference, manifest, platform, created } = parsed.output;
    return { reference, record: { manifest, platform, created } };
  }
}

function canonicalName(reference: Reference): string {
  return formatReference(withDefaultTag(reference));
}

/** No reference has a `#`. */
function besideName(name: string, platform: Platform): string {
  return `${name}#${formatPlatform(normalisePlatform(platform))}`;
}

/** References have slashes, and may be longer than a file's name. */
function fileNameOf(reference: string): string {
  const encoded = encodeURIComponent(reference);
  if (encoded.length <= NAME_LENGTH_MAX) return encoded;
  return `sha256-${createHash('sha256').update(reference).digest('hex')}`;
}
