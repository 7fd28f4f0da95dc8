import { WriteStream } from 'node:tty';
import type { BuildEvent } from '../../src/build/events.js';
import { eventToJson } from '../../src/build/events.js';
import type { Logger } from '../../src/util/log.js';
import { styleFor } from '../style.js';
import { jsonRenderer } from './json.js';
import { plainRenderer } from './plain.js';
import { quietRenderer } from './quiet.js';
import type { Renderer } from './renderer.js';
import { ttyRenderer } from './tty.js';

/** The values of `--progress`. */
export const PROGRESS_MODES = ['auto', 'tty', 'plain', 'json', 'quiet'] as const;
export type ProgressMode = (typeof PROGRESS_MODES)[number];

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
 * The renderer for `mode`: `auto` draws if standard error is a terminal. JSON goes to standard
 * output, all others to standard error. Every event is logged, too.
 */
export function openRenderer(
  mode: ProgressMode,
  { env, logger }: { env: NodeJS.ProcessEnv; logger: Logger },
): Renderer {
  const renderer = openByMode(mode, env);
  return {
    handle: (event) => {
      log(event, logger);
      renderer.handle(event);
    },
    close: () => renderer.close(),
  };
}

function log(event: BuildEvent, logger: Logger): void {
  if (event.kind === 'warning') logger.warn(eventToJson(event));
  else if (event.kind === 'vertex-output' || event.kind === 'vertex-progress') {
    logger.trace(eventToJson(event));
  } else logger.debug(eventToJson(event));
}
