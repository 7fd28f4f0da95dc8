import type { Descriptor } from '../oci/descriptor.js';
import type { Digest } from '../oci/digest.js';
import type { OutputSpec } from '../output/output-spec.js';
import type { FuseChannel } from '../overlay/server-messages.js';
import type { RegistryClient } from '../registry/client.js';
import type { Store } from '../store/store.js';
import type { SourceRange } from '../util/errors.js';
import type { LogTarget } from '../util/log.js';
import type { Emit } from './events.js';
import type { AllowedSecrets } from './secret-guard.js';
import type { SourceReport } from './sources/sources.js';
import type { RunSettings } from './run-settings.js';

/**
 * When the registry is asked for an image: never, if the store lacks it, or each time; `newer`:
 * each time, but if it cannot be had there, the store's will do.
 */
export type PullPolicy = 'always' | 'missing' | 'never' | 'newer';

/** What an annotation is for: a manifest, the index of several, or the descriptor of either. */
export type AnnotationTarget = 'manifest' | 'manifest-descriptor' | 'index' | 'index-descriptor';

/** Which layers become one: those of this build, or those of its base image, too. */
export type SquashMode = 'new' | 'all';

/** `--annotation`. */
export interface Annotation {
  readonly target: AnnotationTarget;
  /** Only where the image is of this platform. */
  readonly platform?: string;
  readonly key: string;
  readonly value: string;
}

/** The network of a RUN: the host's, or a loopback alone. */
export type NetworkMode = 'host' | 'none';

/** The text of a Buildfile and what it is called. */
export interface BuildfileInput {
  readonly text: string;
  /** For positions in messages, and to find `<path>.dockerignore`; undefined: standard input. */
  readonly path: string | undefined;
}

/** A Buildfile that is not read yet. */
export interface BuildfileName {
  /**
   * In a directory context a file of this machine, in any other one a file of it; or an http URL.
   * Undefined: Buildfile, Dockerfile or Containerfile in the context.
   */
  readonly name: string | undefined;
}

/** What `build` is asked to do. Nothing is read from the environment. */
export interface BuildOptions {
  /**
   * What COPY and ADD read: a directory; the URL of a git repository, or of an archive or a
   * Buildfile by http; or `-`: an archive or a Buildfile from {@link BuildDeps.stdin}.
   */
  readonly context: string;
  readonly buildfile: BuildfileInput | BuildfileName;
  /** The ignore file, in the place of those in the context. */
  readonly ignoreFile?: string;
  /** What comes in the place of stages and images, by their name (`--build-context`). */
  readonly namedContexts?: Readonly<Record<string, string>>;
  /** References to store the image under (`-t`). */
  readonly tags: readonly string[];
  /** Stage to build, by name or number; undefined: the last. */
  readonly target?: string;
  readonly buildArgs: Readonly<Record<string, string>>;
  /** `os/arch[/variant]`; absent: the host's. Several, for {@link buildPlatforms}, have commas. */
  readonly platform?: string;
  readonly noCache: boolean;
  /** Stages, by name or number, whose steps are carried out whatever the cache has. */
  readonly noCacheFilter?: readonly string[];
  readonly pull: PullPolicy;
  readonly outputs: readonly OutputSpec[];
  /** Push each tag when the build is done. */
  readonly push: boolean;
  readonly labels: Readonly<Record<string, string>>;
  /** Of the manifest, not of the config. */
  readonly annotations?: readonly Annotation[];
  /** The new layers become one; `all`: with those of the base image. */
  readonly squash?: SquashMode;
  readonly network: NetworkMode;
  /** Secrets, keys, limits and the like of RUNs. */
  readonly runs?: RunSettings;
  /** How RUN's file system is served; absent: by `/dev/fuse`. */
  readonly fuseChannel?: FuseChannel;
  /** Seconds since 1970: the time of the image, and the latest time of a file in a new layer. */
  readonly sourceDateEpoch?: number;
  /**
   * Whether a `type=local` output gets the owners and devices of the image; absent: where the
   * effective user is root. In a user namespace root's files would be the subordinate ids'.
   */
  readonly privileged?: boolean;
  /** Secrets that steps may leave in layers and settings, with a warning; absent: none. */
  readonly allowSecretInLayer?: AllowedSecrets;
  /** Steps of independent stages that run at the same time; the number of CPUs if absent. */
  readonly jobs?: number;
}

/** Options whose Buildfile was read. */
export type ReadOptions = Omit<BuildOptions, 'buildfile'> & { readonly buildfile: BuildfileInput };

/** What a build works with. The caller owns the store. */
export interface BuildDeps {
  readonly store: Store;
  /** Called only when a registry is needed: loading the client takes time. */
  readonly registry: () => Promise<RegistryClient>;
  readonly emit: Emit;
  /** The log of the file-system servers: on level `trace`, every operation of a RUN. */
  readonly log?: LogTarget | undefined;
  /** What the context `-` is read from. */
  readonly stdin?: AsyncIterable<Buffer>;
  /** Told the text of a Buildfile that the build itself has read. */
  readonly onBuildfile?: (buildfile: BuildfileInput) => void;
  /** PATH, proxies, HOME and certificates for fetching; absent: the process's. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Aborting leaves no work directory, mount or process. */
  readonly signal: AbortSignal;
}

/** One step, as the metadata file reports it. */
export interface StepReport {
  readonly name: string;
  readonly source: SourceRange | undefined;
  readonly cached: boolean;
  readonly durationMs: number;
  /** Why it was carried out; undefined: it was not. */
  readonly missReason: string | undefined;
  /** Of the layer that it made, if any. */
  readonly diffId: Digest | undefined;
  /** Bytes of the layer's tar. */
  readonly layerSize: number | undefined;
  /** What was fetched for it, if anything. */
  readonly sources?: readonly SourceReport[];
}

/** An output that was written: its type, and where. */
export interface OutputReport {
  readonly type: string;
  readonly destination: string;
}

/** What a build made. */
export interface BuildResult {
  /** Of the manifest: the image's name in the local store. */
  readonly imageDigest: Digest;
  readonly configDigest: Digest;
  readonly manifestDescriptor: Descriptor;
  /** Normalised references that lead to the image now. */
  readonly tags: readonly string[];
  /** What was fetched for the build context, if anything. */
  readonly context?: SourceReport;
  readonly steps: readonly StepReport[];
  readonly outputs: readonly OutputReport[];
  readonly durationMs: number;
}
