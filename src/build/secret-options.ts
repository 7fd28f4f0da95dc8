import { looksSecret } from '../lint/instruction-rules.js';
import type { Progress } from './progress.js';
import type { SecretGuard } from './secret-guard.js';
import type { Session } from './session.js';

/** Looks for secrets where the caller may have put them. */
export function checkSecretOptions({ guard, progress, options }: Session): void {
  warnOfSecretArgs(progress, options);
  guardOptions(guard, options);
}

/** Throws UserError TSB_SECRET for labels and annotations that have a secret. */
function guardOptions(guard: SecretGuard, { labels, annotations = [] }: Session['options']): void {
  for (const [name, value] of Object.entries(labels)) {
    guard.checkTexts(`--label ${name}`, [name, value]);
  }
  for (const { key, value } of annotations) guard.checkTexts(`--annotation ${key}`, [key, value]);
}

/** Warns of build arguments with a name like a secret's: the image's history keeps the values. */
function warnOfSecretArgs(progress: Progress, { buildArgs }: Session['options']): void {
  for (const name of Object.keys(buildArgs).filter(looksSecret)) {
    const id = name.toLowerCase();
    progress.warn({
      message: `Build argument "${name}" looks like a secret: the image's history keeps its value`,
      hint: `--secret id=${id},env=${name} and RUN --mount=type=secret,id=${id},env=${name}`,
    });
  }
}
