import type { CacheKey } from '../../cache/key.js';
import { cacheKeyOf } from '../../cache/key.js';
import type { LayerId } from '../../layer/types.js';
import { ImageTree } from '../../overlay/image-tree.js';
import type { Checksum } from '../../remote/checksum.js';
import { formatChecksum } from '../../remote/checksum.js';
import type { GitUrl } from '../../remote/git-url.js';
import type { HttpUrl } from '../../remote/http-url.js';
import { redactUrls } from '../../util/redact.js';
import type { FetchDeps, OnBytes } from './fetch-deps.js';
import { findSource, makeLayer, openLayers, putSource, sourceKey } from './fetched-layer.js';
import { gitFiles, subdirOf } from './git-source.js';
import { httpFile } from './http-source.js';

/** What a source was when it was fetched: for the metadata file. */
export type SourceReport =
  | {
      readonly kind: 'git';
      readonly url: string;
      readonly ref: string | undefined;
      readonly commit: string;
    }
  | { readonly kind: 'http'; readonly url: string; readonly digest: string };

/** Files that were fetched, as a layer with nothing below it. */
export interface FetchedSource {
  readonly layer: LayerId;
  /** Identifies the files. */
  readonly key: CacheKey;
  readonly report: SourceReport;
}

/** What ADD, contexts and named contexts fetch in one build: each source once. */
export class Sources {
  readonly deps: FetchDeps;
  readonly #fetched = new Map<string, Promise<FetchedSource>>();

  constructor(deps: FetchDeps) {
    this.deps = deps;
  }

  /** The files of a repository, or of its subdirectory. */
  git(
    url: GitUrl,
    { keepGitDir, onBytes }: { readonly keepGitDir: boolean; readonly onBytes?: OnBytes },
  ): Promise<FetchedSource> {
    // As with BuildKit: a subdirectory has no .git.
    const keep = keepGitDir && url.subdir === '';
    return this.#once(['git', url, keep], async () => {
      const { layer, ref } = await gitFiles(this.deps, { url, keepGitDir: keep, onBytes });
      const own = url.subdir === '' ? layer : await this.#subdirectory(layer, url);
      const { remote, subdir, submodules, mtime } = url;
      return {
        layer: own,
        key: cacheKeyOf([
          ['git', [remote, ref.commit, subdir, submodules, mtime, keep, keep ? ref.name : '']],
        ]),
        report: { kind: 'git', url: redactUrls(remote), ref: ref.name, commit: ref.commit },
      };
    });
  }

  /** The file at a URL, under a name. */
  http(
    target: HttpUrl,
    {
      name,
      checksum,
      onBytes,
    }: {
      readonly name: string;
      readonly checksum?: Checksum | undefined;
      readonly onBytes?: OnBytes | undefined;
    },
  ): Promise<FetchedSource> {
    const { href } = target.url;
    const wanted = checksum === undefined ? '' : formatChecksum(checksum);
    return this.#once(['http', href, target.credentials, name, wanted], async () => {
      const { layer, digest } = await httpFile(this.deps, { target, name, checksum, onBytes });
      return {
        layer,
        key: cacheKeyOf([['http', [digest, name]]]),
        report: { kind: 'http', url: target.shown, digest: `sha256:${digest}` },
      };
    });
  }

  #once(parts: unknown, fetch: () => Promise<FetchedSource>): Promise<FetchedSource> {
    const name = JSON.stringify(parts);
    const known = this.#fetched.get(name);
    if (known !== undefined) return known;
    const fetching = fetch();
    this.#fetched.set(name, fetching);
    return fetching;
  }

  /** A layer that has a directory of another as its root; contents are shared. */
  async #subdirectory(layer: LayerId, url: GitUrl): Promise<LayerId> {
    const { store, records } = this.deps;
    const key = sourceKey('subdirectory', [
      ['layer', layer],
      ['path', url.subdir],
    ]);
    const known = await findSource(records, store, key);
    if (known !== undefined) return known.layer;
    using overlay = openLayers(store, [layer]);
    const from = new ImageTree(overlay);
    const dir = subdirOf(from, url);
    const made = await makeLayer(store, (tree) => {
      for (const [name, node] of [...from.children(dir)]) {
        tree.copyNode(from, node, tree.root, name);
      }
      const { mode, mtimeSec: sec, mtimeNsec: nsec } = dir;
      tree.setMeta(tree.root, { mode: mode & 0o7777, mtime: { sec, nsec } });
      return Promise.resolve();
    });
    await putSource(records, key, { layer: made, facts: {} });
    return made;
  }
}
