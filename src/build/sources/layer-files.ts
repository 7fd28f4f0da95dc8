import type { IgnoreMatcher } from '../../dockerfile/ignore.js';
import type { LayerId } from '../../layer/types.js';
import { ImageTree } from '../../overlay/image-tree.js';
import type { TreeNode } from '../../overlay/image-tree.js';
import type { Overlay } from '../../overlay/overlay.js';
import type { Store } from '../../store/store.js';
import type { ByteName } from '../../util/byte-name.js';
import { displayName } from '../../util/byte-name.js';
import type { ContextSource } from '../context.js';
import type { Placement, SourceFiles, SourceInfo } from '../copy-source.js';
import { ImageFiles } from '../image-files.js';
import { openLayers } from './fetched-layer.js';

/** A file of a layer, and where it is: below the root, which is empty. */
interface LayerNode {
  readonly path: ByteName;
  readonly node: TreeNode;
}

/** Which layers are a context. */
export interface LayerContextOptions {
  readonly layers: readonly LayerId[];
  readonly ignore: IgnoreMatcher | undefined;
  /** What to do about a context without any files. */
  readonly whyEmpty?: string | undefined;
}

/** A build context that was fetched or unpacked to a layer. */
export class LayerContext implements ContextSource {
  readonly ignore: IgnoreMatcher | undefined;
  readonly #overlay: Overlay;
  readonly #files: LayerFiles;

  constructor(store: Store, { layers, ignore, whyEmpty }: LayerContextOptions) {
    this.ignore = ignore;
    this.#overlay = openLayers(store, layers);
    this.#files = new LayerFiles(new ImageTree(this.#overlay), { ignore, whyEmpty });
  }

  open(): Promise<SourceFiles<LayerNode>> {
    return Promise.resolve(this.#files);
  }

  remember(): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.dispose](): void {
    this.#overlay[Symbol.dispose]();
  }
}

/** The files of a layer but for those that an ignore file names. */
class LayerFiles implements SourceFiles<LayerNode> {
  readonly what = 'the build context';
  readonly root: LayerNode;
  readonly #files: ImageFiles;
  readonly #ignore: IgnoreMatcher | undefined;
  readonly #whyEmpty: string | undefined;

  constructor(tree: ImageTree, { ignore, whyEmpty }: Omit<LayerContextOptions, 'layers'>) {
    this.#files = new ImageFiles(tree, this.what);
    this.#ignore = ignore;
    this.#whyEmpty = whyEmpty;
    this.root = { path: '' as ByteName, node: tree.root };
  }

  info({ node }: LayerNode): SourceInfo {
    return this.#files.info(node);
  }

  child(dir: LayerNode, name: ByteName): LayerNode | undefined {
    const node = this.#files.child(dir.node, name);
    const found = node && below(dir, name, node);
    return found !== undefined && this.#isVisible(found) ? found : undefined;
  }

  children(dir: LayerNode): (readonly [ByteName, LayerNode])[] {
    return this.#files.children(dir.node).flatMap(([name, node]) => {
      const found = below(dir, name, node);
      return this.#isVisible(found) ? [[name, found] as const] : [];
    });
  }

  digest({ node }: LayerNode): Promise<string> {
    return this.#files.digest(node);
  }

  read({ node }: LayerNode): AsyncIterable<Buffer> {
    return this.#files.read(node);
  }

  identity({ node }: LayerNode): TreeNode | undefined {
    return this.#files.identity(node);
  }

  whyMissing(path: ByteName): string | undefined {
    if (this.#whyEmpty !== undefined) return this.#whyEmpty;
    if (this.#ignore?.ignores(displayName(path)) !== true) return undefined;
    return 'An ignore file of the context leaves it out, should it be there';
  }

  place({ node }: LayerNode, placement: Placement): Promise<void> {
    return this.#files.place(node, placement);
  }

  /** An ignored directory is there if something in it is not ignored. */
  #isVisible(found: LayerNode): boolean {
    const path = displayName(found.path);
    if (this.#ignore === undefined || !this.#ignore.ignores(path)) return true;
    if (!found.node.isDir || !this.#ignore.mayContainUnignored(path)) return false;
    return this.children(found).length > 0;
  }
}

function below(dir: LayerNode, name: ByteName, node: TreeNode): LayerNode {
  return { path: (dir.path === '' ? name : `${dir.path}/${name}`) as ByteName, node };
}
