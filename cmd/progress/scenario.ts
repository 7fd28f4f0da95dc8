import type { BuildEvent, BuildEventBody, VertexKind } from '../../src/build/events.js';

/** A build with everything in it, for the renderers' tests. Times are milliseconds from 0. */
export function scenario(): BuildEvent[] {
  const events: BuildEvent[] = [];
  const at = (timeMs: number, event: BuildEventBody): number => events.push({ ...event, timeMs });
  const add = (timeMs: number, id: string, kind: VertexKind, name: string, parent?: string) => {
    const part = parent === undefined ? {} : { parent };
    at(timeMs, { kind: 'vertex-added', vertex: { id, kind, name, ...part } });
    at(timeMs, { kind: 'vertex-started', id });
  };
  const output = (timeMs: number, id: string, text: string) =>
    at(timeMs, { kind: 'vertex-output', id, stream: 'stdout', chunk: Buffer.from(text, 'latin1') });

  at(0, { kind: 'build-started', name: 'demo', steps: 3 });
  add(0, 'base', 'source', '[1/3] FROM debian:bookworm');
  add(0, 'blob', 'transfer', 'sha256:0123456789ab', 'base');
  at(1000, {
    kind: 'vertex-progress',
    id: 'blob',
    unit: 'bytes',
    current: 12_000_000,
    total: 48_000_000,
  });
  at(3000, {
    kind: 'vertex-progress',
    id: 'blob',
    unit: 'bytes',
    current: 48_000_000,
    total: 48_000_000,
  });
  at(3000, { kind: 'vertex-completed', id: 'blob', cached: false, durationMs: 3000 });
  at(3500, { kind: 'vertex-completed', id: 'base', cached: false, durationMs: 3500 });
  add(3500, 'copy', 'step', '[2/3] COPY . /src');
  at(3500, { kind: 'vertex-completed', id: 'copy', cached: true, durationMs: 2 });
  add(3500, 'run', 'step', '[3/3] RUN make\n  all');
  output(4000, 'run', 'cc -o \x1b[1mhello\x1b[0m hello.c\nna\xc3');
  output(4500, 'run', '\xafve 10%\rna\xc3\xafve 100%\n\x1b]0;title\x07evil\xc2\x9b2J\nlast');
  at(4600, {
    kind: 'warning',
    warning: {
      message: 'Image uses id 99999',
      hint: 'usermod --add-subuids 1-99999 me',
      source: { file: 'Buildfile', startLine: 3, endLine: 3 },
    },
  });
  return events;
}

/** How the scenario ends when its last step fails. */
export function failure(): BuildEvent[] {
  return [
    {
      kind: 'vertex-failed',
      id: 'run',
      durationMs: 1500,
      timeMs: 5000,
      message: 'Command failed with exit code 2',
    },
    { kind: 'build-failed', durationMs: 5000, timeMs: 5000, message: 'Command failed' },
  ];
}
