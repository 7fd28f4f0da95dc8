import type { Digest } from './digest.js';
import { digestOf } from './digest.js';

/**
 * The chainId of each layer, base first (image-spec, config.md): the name of a stack of layers.
 * The first is its diffId, each next is the digest of `<chainId below> <diffId>`.
 */
export function chainIds(diffIds: readonly Digest[]): Digest[] {
  const chain: Digest[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(below === undefined ? diffId : digestOf(`${below} ${diffId}`));
  }
  return chain;
}

/** The chainId of the whole stack; undefined for no layers. */
export function chainIdOf(diffIds: readonly Digest[]): Digest | undefined {
  return chainIds(diffIds).at(-1);
}
