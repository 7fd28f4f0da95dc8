import assert from 'node:assert/strict';

import type { LayerId } from '../layer/types.js';
import { applyLayers } from './apply-layers.js';
import { withoutSockets, type LayerFixture } from './overlay-fixture.js';
import { tripLayer } from './trip-layer.js';

/**
 * Asserts that layers (base first) show the same tree when they are merged, applied one after the
 * other, and merged after a trip through archives; resolves to the tripped layers.
 */
export async function recheckLayers(
  fixture: LayerFixture,
  ids: readonly LayerId[],
): Promise<LayerId[]> {
  const shown = await fixture.show(ids);
  const applied = applyLayers(ids.map((id) => ({ id, tree: fixture.read(id) })));
  assert.deepEqual(await applied.describe(fixture.dirOf), shown);
  const tripped: LayerId[] = [];
  for (const from of ids) {
    const to = fixture.newId();
    await tripLayer(fixture.dirOf, from, to);
    tripped.push(to);
  }
  assert.deepEqual(await fixture.show(tripped), withoutSockets(shown));
  return tripped;
}
