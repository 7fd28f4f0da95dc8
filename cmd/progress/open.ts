import { WriteStream } from 'node:tty';
import { eventToJson, type BuildEvent, type Emit } from '../../src/build/events.js';
import { UserError } from '../../src/util/errors.js';
import type { Logger } from '../../src/util/log.js';
import { styleFor } from '../style.js';
import { jsonRenderer } from './json.js';
import { plainRenderer } from './plain.js';
import { quietRenderer } from './quiet.js';
import type { Renderer } from './renderer.js';
import { ttyRenderer } from './tty.js';

/** The values of `--progress`. */
export const PROGRESS_MODES: readonly ['auto', 'tty', 'plain', 'json', 'quiet'] = [
  'auto',
  'tty',
  'plain',
  'json',
  'quiet',
];
export type ProgressMode = (typeof PROGRESS_MODES)[number];

/** The option of commands that show progress. */
export const PROGRESS_OPTION: {
  readonly type: 'string';
  readonly choices: typeof PROGRESS_MODES;
  readonly describe: string;
} = {
  type: 'string',
  choices: PROGRESS_MODES,
  describe: 'How to tell what happens [auto, or $TSBUILD_PROGRESS]',
};

/** The mode that the flags and the environment ask for. */
export function progressModeOf(
  options: { readonly progress?: ProgressMode | undefined; readonly quiet?: boolean | undefined },
  env: NodeJS.ProcessEnv,
): ProgressMode {
  if (options.quiet === true) return 'quiet';
  const named = options.progress ?? env['TSBUILD_PROGRESS'] ?? 'auto';
  const mode = PROGRESS_MODES.find((known) => known === named);
  if (mode !== undefined) return mode;
  throw new UserError('TSB_USAGE', `Cannot use TSBUILD_PROGRESS "${named}"`, {
    hint: `want ${PROGRESS_MODES.join(', ')}`,
  });
}

function openPlainOrTty(mode: ProgressMode, env: NodeJS.ProcessEnv): Renderer {
  const { stderr } = process;
  const isTerminal = stderr instanceof WriteStream && env['TERM'] !== 'dumb';
  if (mode === 'tty' || (mode === 'auto' && isTerminal)) {
    return ttyRenderer(terminalOf(stderr), { style: styleFor(stderr, env) });
  }
  return plainRenderer(stderr);
}

/** A stream with a size: a terminal's own, read anew each time, or 80 by 24. */
function terminalOf(stream: NodeJS.WriteStream): Parameters<typeof ttyRenderer>[0] {
  return {
    write: (text) => stream.write(text),
    get columns() {
      return stream.columns || 80;
    },
    get rows() {
      return stream.rows || 24;
    },
  };
}

function openByMode(mode: ProgressMode, env: NodeJS.ProcessEnv): Renderer {
  switch (mode) {
    case 'json':
      return jsonRenderer(process.stdout);
    case 'quiet':
      return quietRenderer(process.stderr);
    default:
      return openPlainOrTty(mode, env);
  }
}

/**
 * Shows the events that `work` emits, as `mode` says: `auto` draws if standard error is a
 * terminal; JSON goes to standard output, all others to standard error. Events are logged, too.
 */
export async function withRenderer<T>(
  mode: ProgressMode,
  { env, logger }: { readonly env: NodeJS.ProcessEnv; readonly logger: Logger },
  work: (emit: Emit) => Promise<T>,
): Promise<T> {
  const renderer = openByMode(mode, env);
  try {
    return await work((event) => {
      log(event, logger);
      renderer.handle(event);
    });
  } finally {
    renderer.close();
  }
}

function log(event: BuildEvent, logger: Logger): void {
  const record = eventToJson(event);
  if (event.kind === 'warning') logger.warn(record, event.kind);
  else if (event.kind === 'vertex-output' || event.kind === 'vertex-progress') {
    logger.trace(record, event.kind);
  } else logger.debug(record, event.kind);
}
