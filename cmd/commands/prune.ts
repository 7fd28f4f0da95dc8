import { EXIT } from '../../src/util/error-codes.js';
import { UserError } from '../../src/util/errors.js';
import { defineCommand, type Command } from '../command.js';
import { formatBytes } from '../progress/text.js';
import { enterNamespaces } from '../namespaces.js';
import { openStore } from '../store.js';

const UNIT_MS: Readonly<Record<string, number>> = {
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `30m`, `12h`, `7d` or `0` in milliseconds; TSB_USAGE. */
export function parseAge(text: string): number {
  const [, count, unit = 'd'] = /^(\d{1,6})([mhd])?$/.exec(text) ?? [];
  const unitMs = UNIT_MS[unit];
  if (count !== undefined && unitMs !== undefined) return Number(count) * unitMs;
  throw new UserError('TSB_USAGE', `Cannot use --keep-age "${text}": want 30m, 12h or 7d`);
}

export const pruneCommand: Command = defineCommand({
  name: 'prune',
  describe: 'Remove what nothing uses any more',
  positionals: {},
  options: {
    all: { type: 'boolean', alias: 'a', describe: 'Also what only the build cache uses' },
    'cache-mounts': { type: 'boolean', describe: 'Also the caches of RUN --mount=type=cache' },
    'dry-run': { type: 'boolean', describe: 'Remove nothing, tell what would be' },
    'keep-age': {
      type: 'string',
      describe: 'Keep cache records used within this time, like 12h [14d], and cache mounts [none]',
    },
    json: { type: 'boolean', describe: 'Print JSON' },
  },
  async run({ options }, context) {
    const age = options['keep-age'];
    const dryRun = options['dry-run'] === true;
    const cacheMounts = options['cache-mounts'] === true;
    // Their files belong to the ids of RUNs.
    if (cacheMounts) await enterNamespaces();
    await using store = await openStore(context);
    const report = await store.prune({
      all: options.all === true,
      cacheMounts,
      dryRun,
      signal: context.signal,
      ...(age !== undefined && { cacheAgeMs: parseAge(age) }),
    });
    const { layers, blobs, cacheRecords, freedBytes, damaged } = report;
    if (options.json) {
      context.print(JSON.stringify({ dryRun, ...report }, null, 2));
    } else {
      const did = dryRun ? 'would remove' : 'removed';
      for (const { id, bytes } of report.cacheMounts) {
        context.print(`${did} cache mount ${id}: ${formatBytes(bytes)}`);
      }
      const what = `${layers.length} layers, ${blobs.length} blobs, ${cacheRecords} cache records`;
      context.print(`${did} ${what}: ${formatBytes(freedBytes)}`);
    }
    for (const each of damaged) context.warn(`warning: damaged image: ${each}`);
    return EXIT.ok;
  },
});
