import { join } from 'node:path';
import { LayerWriter } from '../layer/layer-writer.js';
import type { LayerDir, LayerId, LayerNode } from '../layer/types.js';
import { addStep, editContainer } from '../oci/edit-config.js';
import { emptyConfig, encodeConfig, type ImageConfig } from '../oci/config.js';
import { describeBytes, type Descriptor } from '../oci/descriptor.js';
import { encodeJson } from '../oci/json.js';
import { ociManifest } from '../oci/manifest.js';
import { MEDIA_TYPE } from '../oci/media-types.js';
import { hostPlatform } from '../oci/platform.js';
import { formatFamiliar, parseReference, withDefaultTag } from '../oci/reference.js';
import { explainNoSpace } from '../store/no-space.js';
import type { Store } from '../store/store.js';
import type { StoredImage } from '../store/stored-image.js';
import { packDirectory, type PackedLayer } from '../tar/pack-directory.js';
import { unpackLayer } from '../tar/unpack.js';
import { formatDeb822 } from './apt-sources.js';
import { type Archives, chooseArchives } from './archives.js';
import { clampTimes, cleanTree, findNode, setNode } from './clean-tree.js';
import { type Distribution, parseDistribution } from './distribution.js';
import { readHostSources } from './host-sources.js';
import { DEFAULT_VARIANT, findTool, toolCommand, toolPath } from './tool.js';
import { runTool } from './tool-process.js';

/** What to bootstrap. */
export interface BootstrapOptions {
  /** `debian:bookworm`, `debian:12`. */
  readonly name: string;
  /** The archive to take instead of the host's; nothing else is used then. */
  readonly mirror?: string;
  /** `minbase` if absent; mmdebstrap has more than debootstrap. */
  readonly variant?: string;
  /** Packages besides the variant's. */
  readonly include?: readonly string[];
  /** The image's name in the store, if it is not `name`. */
  readonly tag?: string;
  readonly env: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
  /** Takes what the tool says. */
  readonly onOutput?: (chunk: Buffer) => void;
}

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const SOURCES_DIR = 'etc/apt/sources.list.d';
/** Ordinary mirrors have them no more. */
const ARCHIVED_SUITES: readonly string[] = ['jessie', 'stretch', 'buster'];
/** The layer's directory as long as it is in the making. */
const WORK_LAYER = 'layer' as LayerId;
/** What the tool gets of the environment. */
const PASSED_ON = [
  ...['HOME', 'SOURCE_DATE_EPOCH', 'http_proxy', 'https_proxy', 'ftp_proxy', 'no_proxy'],
  ...['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'],
];

/**
 * Makes a base image of a distribution's packages and puts it into the store. Works as root, and
 * as an ordinary user with subordinate ids; not inside of tsbuild's own namespaces. A failure or
 * an abort leaves nothing. Throws TSB_BOOTSTRAP, TSB_MISSING_TOOL, TSB_REFERENCE.
 */
export async function bootstrap(options: BootstrapOptions, store: Store): Promise<StoredImage> {
  const name = parseReference(options.name);
  const target = options.tag === undefined ? name : parseReference(options.tag);
  const distribution = parseDistribution(name, { hasMirror: options.mirror !== undefined });
  const archives = chooseArchives({
    distribution,
    mirror: options.mirror,
    hostSources: readHostSources(),
  });
  const layer = await makeLayer({ options, distribution, archives, store });
  const created = new Date((epochOf(options.env) ?? Math.floor(Date.now() / 1000)) * 1000);
  return await putImage({
    store,
    layer,
    target: withDefaultTag(target),
    created: created.toISOString(),
    createdBy: `tsbuild bootstrap ${formatFamiliar(name)}`,
  });
}

interface LayerJob {
  readonly options: BootstrapOptions;
  readonly distribution: Distribution;
  readonly archives: Archives;
  readonly store: Store;
}

/** Runs the tool, and publishes what it made as a layer. */
async function makeLayer({
  options,
  distribution,
  archives,
  store,
}: LayerJob): Promise<PackedLayer> {
  const { env, signal, onOutput } = options;
  const asRoot = process.geteuid?.() === 0;
  const path = toolPath(env);
  const command = toolCommand(findTool(path, { asRoot }), {
    suite: distribution.suite,
    archives,
    variant: options.variant ?? DEFAULT_VARIANT,
    include: options.include ?? [],
    asRoot,
  });
  using work = store.work.create();
  const dir = join(work.path, WORK_LAYER);
  try {
    using writer = LayerWriter.create(dir);
    const toolEnv = { ...passedOn(env), PATH: path, LC_ALL: 'C.UTF-8' };
    const failureHint = hintFor(distribution, options.mirror);
    const run = { command, env: toolEnv, asRoot, failureHint, signal, onOutput };
    const unpacked = await runTool(run, (tar) =>
      unpackLayer(tar, { writer, ...(signal && { signal }) }),
    );
    writer.finish(finishTree(unpacked.root, { distribution, archives, writer, env }));
    // Identified before it is published: the store gets no layer that nobody can find.
    const packed = await packDirectory({ layersRoot: work.path, layer: WORK_LAYER }, signal);
    const { diffId, size } = packed;
    if (store.layers.findByDiffId(diffId) === undefined) {
      store.layers.publish(dir, { diffId, tarSize: size });
    }
    return packed;
  } catch (error) {
    throw explainNoSpace(error, store.root);
  }
}

function hintFor({ name, suite }: Distribution, mirror: string | undefined): string {
  const isArchived = name === 'debian' && ARCHIVED_SUITES.includes(suite) && mirror === undefined;
  if (isArchived) return '--mirror http://archive.debian.org/debian';
  return 'Look at its last lines; for another mirror: --mirror URL';
}

interface FinishOptions {
  readonly distribution: Distribution;
  readonly archives: Archives;
  readonly writer: LayerWriter;
  readonly env: NodeJS.ProcessEnv;
}

/** The tree as the image has it: cleaned, with sources for its own apt. */
function finishTree(tree: LayerDir, options: FinishOptions): LayerDir {
  const { distribution, archives, writer, env } = options;
  const cleaned = cleanTree(tree);
  const withSources =
    findNode(cleaned, SOURCES_DIR) === undefined
      ? cleaned
      : setNode(
          cleaned,
          `${SOURCES_DIR}/${distribution.name}.sources`,
          sourcesFile(cleaned, { distribution, archives, writer }),
        );
  const epoch = epochOf(env);
  return epoch === undefined ? withSources : clampTimes(withSources, epoch);
}

function sourcesFile(
  tree: LayerDir,
  { distribution, archives, writer }: Omit<FinishOptions, 'env'>,
): LayerNode {
  const keyring = ['pgp', 'gpg']
    .map((ending) => `usr/share/keyrings/${distribution.name}-archive-keyring.${ending}`)
    .find((path) => findNode(tree, path) !== undefined);
  const signedBy = keyring === undefined ? {} : { signedBy: `/${keyring}` };
  const stanzas = archives.map((archive) =>
    formatDeb822({ ...archive, uris: archive.uris.map(withoutPassword), ...signedBy }),
  );
  const bytes = Buffer.from(stanzas.join('\n'));
  return {
    kind: 'file',
    mode: 0o100644,
    uid: 0,
    gid: 0,
    mtimeSec: Math.floor(Date.now() / 1000),
    mtimeNsec: 0,
    rdevMajor: 0,
    rdevMinor: 0,
    xattrs: undefined,
    size: bytes.length,
    content: writer.appendPack(bytes),
  };
}

/** The user's password for a mirror is not for everybody who has the image. */
function withoutPassword(uri: string): string {
  return uri.replace(/^([a-z+]+:\/\/)[^/@]*@/i, '$1');
}

interface PutOptions {
  readonly store: Store;
  readonly layer: PackedLayer;
  readonly target: ReturnType<typeof parseReference>;
  readonly created: string;
  readonly createdBy: string;
}

async function putImage(options: PutOptions): Promise<StoredImage> {
  const { store, layer, target, created, createdBy } = options;
  const platform = hostPlatform();
  const container = editContainer(emptyConfig(platform), {
    Env: [`PATH=${DEFAULT_PATH}`],
    Cmd: ['bash'],
  });
  const config: ImageConfig = addStep(container, {
    diffId: layer.diffId,
    history: { created_by: createdBy },
    created,
  });
  const configBytes = encodeConfig(config);
  const layerDescriptor: Descriptor = {
    mediaType: MEDIA_TYPE.ociLayer,
    digest: layer.diffId,
    size: layer.size,
  };
  const configDescriptor = describeBytes(MEDIA_TYPE.ociConfig, configBytes);
  const manifestBytes = encodeJson(ociManifest(configDescriptor, [layerDescriptor]));
  const manifest = describeBytes(MEDIA_TYPE.ociManifest, manifestBytes);
  await store.blobs.writeBytes(configBytes);
  await store.blobs.writeBytes(manifestBytes);
  const record = { manifest, platform, created };
  store.images.put(target, record);
  return await store.loadImage(record);
}

/** SOURCE_DATE_EPOCH in seconds. */
function epochOf(env: NodeJS.ProcessEnv): number | undefined {
  const text = env['SOURCE_DATE_EPOCH'];
  return text !== undefined && /^\d{1,11}$/.test(text) ? Number(text) : undefined;
}

function passedOn(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    PASSED_ON.flatMap((name) => {
      const value = env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
