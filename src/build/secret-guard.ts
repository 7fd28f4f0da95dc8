import type { LayerId } from '../layer/types.js';
import type { Finding } from '../secrets/layer-findings.js';
import { maskText, OutputMask } from '../secrets/output-mask.js';
import { PatternSearch, type Source } from '../secrets/pattern-search.js';
import type { Pattern } from '../secrets/patterns.js';
import {
  FORMS_VERSION,
  isGuardable,
  linePatternsOf,
  patternsOf,
  SECRET_BYTES_MIN,
} from '../secrets/patterns.js';
import { searchInThread } from '../secrets/search-in-thread.js';
import type { Store } from '../store/store.js';
import type { SourceRange } from '../util/errors.js';
import { UserError } from '../util/errors.js';
import { Limit } from '../util/limit.js';
import type { Progress } from './progress.js';
import type { LoadedSecret, SecretStore } from './secrets.js';

/** Secrets that may be in layers, by id. */
export type AllowedSecrets = 'all' | readonly string[];

/** What a guard works with. */
export interface SecretGuardParts {
  readonly secrets: SecretStore;
  readonly allowed: AllowedSecrets;
  readonly store: Store;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** A layer that a step made. */
export interface GuardedLayer {
  /** The layers below it: what it has from them is not its own. */
  readonly lowers: readonly LayerId[];
  /** For warnings. */
  readonly source?: SourceRange | undefined;
  /** COPY or ADD made it, no command. */
  readonly copied?: boolean;
}

/** Places that an error names; the others are counted. */
const PLACES_MAX = 5;
/** Layers that are searched at the same time: it takes a CPU each. */
const SEARCHES_MAX = 2;

/**
 * Keeps the secrets of one build out of layers, settings and output. Costs nothing in a build
 * without secrets. Reads them when the first step is carried out.
 */
export class SecretGuard {
  readonly #parts: SecretGuardParts;
  readonly #limit = new Limit(SEARCHES_MAX);
  /** Layers that were searched, and in which nothing was found. */
  readonly #clean = new Set<LayerId>();
  readonly #checked = new Set<LayerId>();
  readonly #found = new Map<LayerId, readonly string[]>();
  #patterns: readonly Pattern[] | undefined;
  #searchedFor: string | undefined;
  #maskPatterns: readonly Pattern[] = [];
  #search: PatternSearch | undefined;

  constructor(parts: SecretGuardParts) {
    this.#parts = parts;
  }

  /**
   * What is looked for, and how: equal in two builds if neither has changed. Tells nothing of the
   * secrets. Undefined: nothing is looked for, or it cannot be told whether it has changed.
   */
  get searchedFor(): string | undefined {
    this.#load();
    return this.#searchedFor;
  }

  /** Whether a secret may be in a layer. */
  allows(id: string): boolean {
    const { allowed } = this.#parts;
    return allowed === 'all' || allowed.includes(id);
  }

  /** The allowed secrets in a layer that {@link publish} has published. */
  foundIn(layer: LayerId): readonly string[] {
    return this.#found.get(layer) ?? [];
  }

  /** The secrets in bytes that leave the machine otherwise than in a layer; allowed ones left out. */
  forbiddenIn(source: Source): string[] {
    const patterns = this.#load();
    if (patterns.length === 0) return [];
    this.#search ??= new PatternSearch(patterns);
    const ids = new Set<string>();
    this.#search.search(source, ({ pattern }) => ids.add(pattern.id));
    return [...ids].filter((id) => !this.allows(id));
  }

  /** Publishes a layer directory, unless secrets are in it: UserError TSB_SECRET. */
  async publish(dir: string, layer: GuardedLayer): Promise<LayerId> {
    const { store } = this.#parts;
    const found = await this.#searchLayer(dir, layer);
    const id = store.layers.publish(dir);
    if (found.length === 0) this.#clean.add(id);
    else this.#found.set(id, [...new Set(found.map((finding) => finding.id))]);
    return id;
  }

  /**
   * Searches a layer out of the cache: when it was made, nobody looked for the secrets of this
   * build. Once for each layer. True: nothing is in it. UserError TSB_SECRET.
   */
  async check(id: LayerId, layer: GuardedLayer): Promise<boolean> {
    if (this.#clean.has(id) || this.#checked.has(id)) return this.#clean.has(id);
    this.#checked.add(id);
    const found = await this.#searchLayer(this.#parts.store.layers.dirOf(id), layer);
    if (found.length === 0) this.#clean.add(id);
    return found.length === 0;
  }

  /**
   * Throws UserError TSB_SECRET if texts that the image will have contain a secret; `where`: as in
   * `the history of ENV`.
   */
  checkTexts(where: string, texts: readonly string[], source?: SourceRange): void {
    const patterns = this.#load();
    if (patterns.length === 0) return;
    this.#search ??= new PatternSearch(patterns);
    const ids = new Set<string>();
    for (const text of texts) {
      for (const id of this.#search.idsIn(Buffer.from(text))) ids.add(id);
    }
    const place = (id: string): string => `secret "${id}" is in ${maskText(where, patterns)}`;
    const refused = [...ids].filter((id) => !this.allows(id));
    for (const id of ids) if (!refused.includes(id)) this.#warn(place(id), source);
    const [first] = refused;
    if (first === undefined) return;
    throw new UserError('TSB_SECRET', `Cannot make the image: ${place(first)}`, {
      hint: hintFor(first),
      ...(source && { source }),
    });
  }

  /** For a stream of output, one each; undefined: there is nothing to hide. */
  openMask(): OutputMask | undefined {
    this.#load();
    return this.#maskPatterns.length === 0 ? undefined : new OutputMask(this.#maskPatterns);
  }

  /** What a log must not have, in Base64: for processes that write one. */
  get hidden(): string[] {
    this.#load();
    return this.#maskPatterns.map(({ bytes }) => bytes.toString('base64'));
  }

  async #searchLayer(dir: string, layer: GuardedLayer): Promise<Finding[]> {
    const patterns = this.#load();
    if (patterns.length === 0) return [];
    const { lowers, source, copied = false } = layer;
    const { store, signal } = this.#parts;
    const clean = [...new Set([...lowers, ...this.#clean])];
    const job = { dir, patterns, layersRoot: store.layers.root, clean };
    const found = await this.#limit.run(() => searchInThread(job, signal));
    const refused = found.filter(({ id }) => !this.allows(id));
    const [first] = refused;
    if (first !== undefined) {
      throw new UserError('TSB_SECRET', `Cannot keep the layer: ${describe(first.id, refused)}`, {
        hint: hintFor(first.id, copied),
      });
    }
    for (const id of new Set(found.map((finding) => finding.id))) {
      this.#warn(describe(id, found), source);
    }
    return found;
  }

  #warn(what: string, source: SourceRange | undefined): void {
    const message = `${what.charAt(0).toUpperCase()}${what.slice(1)}`;
    this.#parts.progress.warn({ message, ...(source && { source }) });
  }

  #load(): readonly Pattern[] {
    if (this.#patterns !== undefined) return this.#patterns;
    const { secrets: store, progress } = this.#parts;
    const secrets = store.readable();
    for (const id of store.ids) {
      const secret = secrets.find((each) => each.id === id);
      const message = `Secret "${id}" is not kept out of layers and output`;
      if (secret === undefined) {
        progress.warn({ message: `${message}: it cannot be read` });
      } else if (secret.bytes.length > 0 && !isGuardable(secret)) {
        const hint = `Use a secret of ${SECRET_BYTES_MIN} bytes or more`;
        progress.warn({ message: `${message}: it is too short`, hint });
      }
    }
    this.#patterns = patternsOf(secrets);
    this.#searchedFor = identify(secrets);
    this.#maskPatterns = [...this.#patterns, ...linePatternsOf(secrets)];
    return this.#patterns;
  }
}

function identify(secrets: readonly LoadedSecret[]): string | undefined {
  const searched = secrets.filter(isGuardable).map(({ id, state }) => ({ id, state }));
  if (searched.length === 0 || searched.some(({ state }) => state === undefined)) return undefined;
  return JSON.stringify([FORMS_VERSION, searched]);
}

/** `secret "npm" is in "/a" and in the name "/b"`. */
function describe(id: string, all: readonly Finding[]): string {
  const places = all.filter((finding) => finding.id === id).map(placeOf);
  const named = places.slice(0, PLACES_MAX);
  const more = places.length - named.length;
  if (more > 0) named.push(more === 1 ? 'one more place' : `${more} more places`);
  const last = named.pop() ?? '';
  const list = named.length === 0 ? last : `${named.join(', ')} and ${last}`;
  return `secret "${id}" is in ${list}`;
}

function placeOf({ path, place, form }: Finding): string {
  const how = form === 'as it is' ? '' : ` (${form})`;
  switch (place.kind) {
    case 'content':
      return `"${path}"${how}`;
    case 'name':
      return `the name "${path}"${how}`;
    case 'target':
      return `the target of the link "${path}"${how}`;
    case 'xattr':
      return `the attribute ${place.name} of "${path}"${how}`;
  }
}

function hintFor(id: string, copied = false): string {
  const how = copied
    ? 'Leave it out with .dockerignore or --exclude'
    : `Mount it where it is needed, and write it nowhere: RUN --mount=type=secret,id=${id}`;
  return `${how}. If it has to be there: --allow-secret-in-layer=${id}`;
}
