import type { Reference } from '../oci/reference.js';
import { formatFamiliar } from '../oci/reference.js';
import type { OutputSpec } from '../output/output-spec.js';
import type { StoredImage } from '../store/stored-image.js';
import { UserError } from '../util/errors.js';
import type { CommittedImage } from './commit.js';
import type { OutputReport } from './options.js';
import type { Session } from './session.js';

/** Writes the outputs, then pushes the tags if that is asked for. One after the other. */
export async function writeOutputs(
  session: Session,
  { record }: CommittedImage,
  tags: readonly Reference[],
): Promise<OutputReport[]> {
  const { outputs, push } = session.options;
  if (outputs.length === 0 && !push) return [];
  if (push && tags.length === 0) {
    throw new UserError('TSB_USAGE', 'Cannot push the image: it has no name', {
      hint: 'Add -t NAME',
    });
  }
  const image = await session.store.loadImage(record);
  const reports: OutputReport[] = [];
  for (const output of outputs) reports.push(await writeOne(session, image, { output, tags }));
  if (!push) return reports;
  for (const tag of tags) reports.push(await pushOne(session, image, tag));
  return reports;
}

async function writeOne(
  session: Session,
  image: StoredImage,
  { output, tags }: { output: OutputSpec; tags: readonly Reference[] },
): Promise<OutputReport> {
  const { writeOutput } = await import('../output/write-output.js');
  const { type, dest } = output;
  const name = `exporting ${type} to ${dest}`;
  const vertex = session.progress.add({ kind: 'export', name });
  return await session.progress.run(vertex, async () => {
    const { signal, options } = session;
    const { privileged } = options;
    const { warnings } = await writeOutput(output, image, session.store, {
      tags,
      signal,
      ...(privileged !== undefined && { privileged }),
    });
    for (const message of warnings) session.progress.warn({ message });
    return { type, destination: dest };
  });
}

async function pushOne(
  session: Session,
  image: StoredImage,
  reference: Reference,
): Promise<OutputReport> {
  const { pushFromStore } = await import('./push-image.js');
  const destination = formatFamiliar(reference);
  const vertex = session.progress.add({ kind: 'export', name: `pushing ${destination}` });
  return await session.progress.run(vertex, async ({ id }) => {
    const digest = await pushFromStore(session, { image, reference }, { parent: id });
    session.progress.debug(`pushed ${destination} as ${digest}`);
    return { type: 'push', destination };
  });
}
