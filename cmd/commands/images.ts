import { EXIT } from '../../src/util/error-codes.js';
import { UserError } from '../../src/util/errors.js';
import { defineCommand, type Command } from '../command.js';
import { formatBytes } from '../progress/text.js';
import { openStore } from '../store.js';
import { formatTable } from '../table.js';

/** One line of the list. */
interface Row {
  readonly reference: string;
  readonly digest: string;
  readonly created: string;
  /** Bytes of the layers, as the manifest says. */
  readonly size: number;
}

const HOUR_MS = 3_600_000;
/** Hex digits of a digest that a person is shown. */
const SHORT_DIGITS = 12;

/** How long ago, in the largest unit that fits. */
export function formatAge(created: string, nowMs: number): string {
  const hours = (nowMs - Date.parse(created)) / HOUR_MS;
  if (!Number.isFinite(hours)) return '-';
  if (hours < 1) return ago(Math.max(0, Math.round(hours * 60)), 'minute');
  if (hours < 48) return ago(Math.round(hours), 'hour');
  return ago(Math.round(hours / 24), 'day');
}

function ago(count: number, unit: string): string {
  return `${count} ${unit}${count === 1 ? '' : 's'} ago`;
}

export const imagesCommand: Command = defineCommand({
  name: 'images',
  describe: 'List the images of the local store',
  positionals: {},
  options: {
    json: { type: 'boolean', describe: 'Print JSON' },
    quiet: { type: 'boolean', alias: 'q', describe: 'Print names only' },
  },
  async run({ options }, context) {
    const { formatFamiliar, parseReference } = await import('../../src/oci/reference.js');
    await using store = await openStore(context);
    const rows: Row[] = [];
    for (const { reference, record } of store.images.list()) {
      const name = formatFamiliar(parseReference(reference));
      try {
        const { manifest, config } = await store.loadImage(record);
        rows.push({
          reference: name,
          digest: record.manifest.digest,
          created: config.created ?? record.created,
          size: manifest.layers.reduce((sum, { size }) => sum + size, 0),
        });
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        // One damaged image does not hide the others, and can be removed.
        context.warn(`warning: damaged image ${name}: ${error.message}`);
        context.warn(`hint: tsbuild rmi ${name}`);
      }
    }
    if (options.json) context.print(JSON.stringify(rows, null, 2));
    else if (options.quiet) for (const { reference } of rows) context.print(reference);
    else for (const line of formatRows(rows)) context.print(line);
    return EXIT.ok;
  },
});

function formatRows(rows: readonly Row[]): string[] {
  const nowMs = Date.now();
  return formatTable([
    ['IMAGE', 'DIGEST', 'CREATED', 'SIZE'],
    ...rows.map(({ reference, digest, created, size }) => [
      reference,
      digest.slice('sha256:'.length).slice(0, SHORT_DIGITS),
      formatAge(created, nowMs),
      formatBytes(size),
    ]),
  ]);
}
