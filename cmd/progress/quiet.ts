import { failureReport } from './failure.js';
import { ProgressModel } from './model.js';
import type { Renderer, Sink } from './renderer.js';

/** `--progress quiet`: nothing, but of a step that failed the last lines of its output. */
export function quietRenderer(sink: Sink): Renderer {
  const model = new ProgressModel();
  let isClosed = false;
  return {
    handle: (event) => model.apply(event),
    close: () => {
      if (isClosed) return;
      isClosed = true;
      for (const line of failureReport(model)) sink.write(`${line}\n`);
    },
  };
}
