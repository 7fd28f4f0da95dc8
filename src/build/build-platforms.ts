import { hostPlatform, formatPlatform, platformMatches, shortPlatform } from '../oci/platform.js';
import { formatFamiliar, formatReference, parseReference } from '../oci/reference.js';
import { withDefaultTag, type Reference } from '../oci/reference.js';
import type { ExportedIndex } from '../output/index-output.js';
import type { ImageOutputSpec, OutputSpec } from '../output/output-spec.js';
import type { ImageRecord } from '../store/images.js';
import { assert } from '../util/assert.js';
import { UserError } from '../util/errors.js';
import { build } from './build.js';
import type { BuildEvent, Emit } from './events.js';
import type { Annotation, AnnotationTarget, BuildDeps, BuildOptions } from './options.js';
import type { BuildResult, OutputReport } from './options.js';
import { choosePlatform } from './platform-args.js';

/**
 * As {@link build}, where `platform` may be several, with commas between: one image for each, and
 * an index of them for outputs and registries. The store gets them side by side under the tags,
 * the host's (or else the first) as the one that a name means. TSB_USAGE for what has no place
 * for an index.
 */
export async function buildPlatforms(options: BuildOptions, deps: BuildDeps): Promise<BuildResult> {
  const host = hostPlatform();
  const words = [...new Set((options.platform ?? '').split(',').filter(Boolean))];
  const platforms = words.map((word) => choosePlatform(word, host));
  if (platforms.length <= 1) {
    assertNoIndex(options.annotations ?? []);
    return await build(options, deps);
  }
  const outputs = options.outputs.map((output) => asIndexOutput(output));
  assertRepeatable(options);
  const startMs = performance.now();
  const tags = options.tags.map((tag) => withDefaultTag(parseReference(tag)));
  const news = new News(deps.emit, platforms.length);
  const results: BuildResult[] = [];
  for (const platform of platforms) {
    const alone = { ...ofManifest(options), platform: formatPlatform(platform) };
    const emit = news.of(formatPlatform(shortPlatform(platform)));
    results.push(await build({ ...alone, tags: [], outputs: [], push: false }, { ...deps, emit }));
  }
  const records = results.map(({ manifestDescriptor: manifest }, index): ImageRecord => {
    const platform = platforms[index];
    assert(platform !== undefined, 'each platform has a result');
    return { manifest, platform: shortPlatform(platform), created: new Date().toISOString() };
  });
  for (const tag of tags) putAll(deps, tag, records);
  const { written, index } = await writeAll(options, deps, { records, outputs, tags });
  const image = {
    imageDigest: index.descriptor.digest,
    configDigest: results[0]?.configDigest ?? index.descriptor.digest,
    tags: tags.map(formatReference),
  };
  const durationMs = Math.round(performance.now() - startMs);
  deps.emit({ kind: 'build-completed', timeMs: Date.now(), durationMs, image });
  const steps = results.flatMap((result) => result.steps);
  return { ...image, manifestDescriptor: index.descriptor, steps, outputs: written, durationMs };
}

const INDEX_TARGETS: readonly AnnotationTarget[] = ['index', 'index-descriptor'];

function assertNoIndex(annotations: readonly Annotation[]): void {
  const own = annotations.find(({ target }) => INDEX_TARGETS.includes(target));
  if (own === undefined) return;
  const found = `an image of one platform has no ${own.target}`;
  throw new UserError('TSB_USAGE', `Cannot annotate "${own.key}=${own.value}": ${found}`);
}

function asIndexOutput(output: OutputSpec): ImageOutputSpec {
  const { type, dest } = output;
  if (type === 'oci' || type === 'oci-archive') return output;
  const message = `Cannot write several platforms as type ${type} to "${dest}"`;
  throw new UserError('TSB_USAGE', message, { hint: 'want type=oci or type=oci-archive' });
}

function assertRepeatable({ context, buildfile }: BuildOptions): void {
  if (context !== '-' || 'text' in buildfile) return;
  const message = 'Cannot build several platforms from standard input: it is read once';
  throw new UserError('TSB_USAGE', message, { hint: 'Unpack the context to a directory' });
}

/** The options of one image: annotations of the index are not its own. */
function ofManifest(options: BuildOptions): BuildOptions {
  const { annotations = [] } = options;
  return {
    ...options,
    annotations: annotations.filter(({ target }) => !INDEX_TARGETS.includes(target)),
  };
}

function putAll({ store }: BuildDeps, tag: Reference, records: readonly ImageRecord[]): void {
  const host = hostPlatform();
  const own = records.find(({ platform }) => platformMatches(platform, host)) ?? records[0];
  if (own === undefined) return;
  store.images.remove(tag);
  store.images.put(tag, own);
  for (const record of records) if (record !== own) store.images.putBeside(tag, record);
}

async function writeAll(
  { annotations = [], push }: BuildOptions,
  { store, registry, signal }: BuildDeps,
  {
    records,
    outputs,
    tags,
  }: {
    records: readonly ImageRecord[];
    outputs: readonly ImageOutputSpec[];
    tags: readonly Reference[];
  },
): Promise<{ written: OutputReport[]; index: ExportedIndex }> {
  const { exportIndex, writeIndexOutput } = await import('../output/index-output.js');
  const images = await Promise.all(records.map((record) => store.loadImage(record)));
  const ofTarget = (target: AnnotationTarget): Record<string, string> | undefined => {
    const own = annotations.filter((each) => each.target === target);
    return own.length === 0
      ? undefined
      : Object.fromEntries(own.map(({ key, value }) => [key, value]));
  };
  const index = { index: ofTarget('index'), descriptor: ofTarget('index-descriptor') };
  const exporting = { signal, annotations: index };
  const written: OutputReport[] = [];
  for (const output of outputs) {
    const { compression, compressionLevel } = output;
    const level = compressionLevel === undefined ? {} : { compressionLevel };
    const exported = await exportIndex(store, images, { ...exporting, compression, ...level });
    await writeIndexOutput(output, exported, tags);
    written.push({ type: output.type, destination: output.dest });
  }
  const kept = await exportIndex(store, images, {
    ...exporting,
    ...(push ? {} : { compression: 'uncompressed' }),
  });
  for (const tag of push ? tags : []) {
    const { pushIndex } = await import('./push-index.js');
    await pushIndex(await registry(), tag, { index: kept, signal });
    written.push({ type: 'push', destination: formatFamiliar(tag) });
  }
  return { written, index: kept };
}

/** The events of several builds as those of one: ids and names tell the platform. */
class News {
  readonly #emit: Emit;
  readonly #count: number;
  #isStarted = false;
  readonly #warned = new Set<string>();

  constructor(emit: Emit, count: number) {
    this.#emit = emit;
    this.#count = count;
  }

  of(platform: string): Emit {
    return (event) => {
      const told = this.#tell(event, platform);
      if (told !== undefined) this.#emit(told);
    };
  }

  #tell(event: BuildEvent, platform: string): BuildEvent | undefined {
    const idOf = (id: string): string => `${platform} ${id}`;
    switch (event.kind) {
      case 'build-started': {
        if (this.#isStarted) return undefined;
        this.#isStarted = true;
        return { ...event, steps: event.steps * this.#count };
      }
      case 'build-completed':
        return undefined;
      case 'warning': {
        const text = JSON.stringify(event.warning);
        if (this.#warned.has(text)) return undefined;
        this.#warned.add(text);
        return event;
      }
      case 'vertex-added': {
        const { id, name, parent } = event.vertex;
        const shown = name.startsWith('[')
          ? `[${platform} ${name.slice(1)}`
          : `${name} (${platform})`;
        const above = parent === undefined ? {} : { parent: idOf(parent) };
        return { ...event, vertex: { ...event.vertex, id: idOf(id), name: shown, ...above } };
      }
      default:
        return 'id' in event ? { ...event, id: idOf(event.id) } : event;
    }
  }
}
