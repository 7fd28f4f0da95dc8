import assert from 'node:assert/strict';
import test from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { COLOURED, PLAIN, type Style } from '../style.js';
import { jsonRenderer } from './json.js';
import { plainRenderer } from './plain.js';
import { quietRenderer } from './quiet.js';
import { failure, scenario } from './scenario.js';
import { ttyRenderer } from './tty.js';
import { FakeTerminal } from './fake-terminal.js';

class Collected {
  text = '';
  write(text: string): void {
    this.text += text;
  }
}

test('plainRenderer() numbers vertices and stamps lines', () => {
  const sink = new Collected();
  const renderer = plainRenderer(sink);
  for (const event of [...scenario(), ...failure()]) renderer.handle(event);
  renderer.close();
  assert.equal(
    sink.text,
    `#1 [1/3] FROM debian:bookworm
#1 sha256:0123456789ab 48.0 MB / 48.0 MB
#1 sha256:0123456789ab 48.0 MB / 48.0 MB done 3.0s
#1 DONE 3.5s

#3 [2/3] COPY . /src
#3 CACHED

#4 [3/3] RUN make all
#4 0.500 cc -o hello hello.c
#4 1.000 naïve 100%
#4 1.000 evil
warning: Buildfile:3: Image uses id 99999
hint: usermod --add-subuids 1-99999 me
#4 1.500 last
#4 ERROR: Command failed with exit code 2
`,
  );
});

test('plainRenderer() says when it leaves a running vertex for another', () => {
  const sink = new Collected();
  const renderer = plainRenderer(sink);
  const say = (id: string, text: string): void =>
    renderer.handle({
      kind: 'vertex-output',
      id,
      stream: 'stderr',
      timeMs: 0,
      chunk: Buffer.from(text),
    });
  for (const id of ['a', 'b']) {
    renderer.handle({ kind: 'vertex-added', vertex: { id, kind: 'step', name: id }, timeMs: 0 });
    renderer.handle({ kind: 'vertex-started', id, timeMs: 0 });
  }
  say('a', 'one\n');
  say('b', 'two\n');
  assert.equal(
    sink.text,
    '#1 a\n#1 ...\n\n#2 b\n#2 ...\n\n#1 a\n#1 0.000 one\n#1 ...\n\n#2 b\n#2 0.000 two\n',
  );
});

test('plainRenderer() keeps every line of a long output', () => {
  const sink = new Collected();
  const renderer = plainRenderer(sink);
  for (const event of scenario()) renderer.handle(event);
  const lines = Array.from({ length: 20_000 }, (_, index) => `line ${index}`);
  renderer.handle({
    kind: 'vertex-output',
    id: 'run',
    stream: 'stdout',
    timeMs: 5000,
    chunk: Buffer.from(`\n${lines.join('\n')}\n`),
  });
  const shown = sink.text.split('\n').filter((line) => line.includes(' line '));
  assert.equal(shown.length, lines.length);
});

test('jsonRenderer() writes one versioned object per line', () => {
  const sink = new Collected();
  const renderer = jsonRenderer(sink);
  for (const event of [...scenario(), ...failure()]) renderer.handle(event);
  const objects = sink.text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.equal(objects.length, scenario().length + failure().length);
  assert.ok(objects.every((object) => object['progressVersion'] === 1));
  const texts = objects.filter(({ kind }) => kind === 'vertex-output').map(({ text }) => text);
  assert.deepEqual(texts, [
    'cc -o \x1b[1mhello\x1b[0m hello.c\nna',
    'ïve 10%\rnaïve 100%\n\x1b]0;title\x07evil\u009b2J\nlast',
  ]);
});

test('quietRenderer() shows the output of a step that failed, and nothing else', () => {
  const sink = new Collected();
  const renderer = quietRenderer(sink);
  for (const event of scenario()) renderer.handle(event);
  assert.equal(sink.text, '');
  for (const event of failure()) renderer.handle(event);
  renderer.close();
  renderer.close();
  assert.equal(
    sink.text,
    `--- last output of [3/3] RUN make all
cc -o hello hello.c
naïve 100%
evil
last
---
`,
  );
});

/** Draws the scenario up to `untilMs` on a terminal of this size. */
function drawn(columns: number, rows: number, untilMs: number, style: Style = PLAIN): FakeTerminal {
  const terminal = new FakeTerminal(columns, rows);
  let nowMs = 0;
  const renderer = ttyRenderer(terminal, { style, now: () => nowMs, timer: false });
  for (const event of [...scenario(), ...failure()]) {
    if (event.timeMs > untilMs) break;
    nowMs = event.timeMs;
    renderer.handle(event);
    renderer.draw();
  }
  if (untilMs >= 5000) renderer.close();
  return terminal;
}

test('ttyRenderer() shows a download with a bar and a rate', () => {
  const lines = drawn(100, 24, 1000).lines();
  assert.equal(
    lines[0],
    `⠦ [1/3] FROM debian:bookworm ${' '.repeat(13)}[=====               ] 12.0 MB / 48.0 MB 12.0 MB/s   1.0s`,
  );
  assert.match(lines[1] ?? '', /^Building demo \(0\/3 steps\) +1\.0s$/);
});

test('ttyRenderer() shows what has ended, the tail of what runs, and a summary', () => {
  assert.deepEqual(drawn(60, 24, 4500).lines(), [
    '✓ [1/3] FROM debian:bookworm                  48.0 MB  3.5s',
    '✓ [2/3] COPY . /src                                  cached',
    '⠦ [3/3] RUN make all                                   1.0s',
    '  │ cc -o hello hello.c',
    '  │ naïve 100%',
    '  │ evil',
    '  │ last',
    'Building demo (2/3 steps)                              4.5s',
  ]);
});

test('ttyRenderer() fits a narrow and low terminal', () => {
  const lines = drawn(24, 5, 4500).lines();
  assert.ok(lines.every((line) => line.length < 24));
  assert.deepEqual(lines.slice(-4), [
    '⠦ [3/3] RUN make … 1.0s',
    '  │ evil',
    '  │ last',
    'Building demo (2/… 4.5s',
  ]);
});

test('ttyRenderer() ends with the report of what failed', () => {
  assert.deepEqual(drawn(60, 24, 5000).lines(), [
    '✓ [1/3] FROM debian:bookworm                  48.0 MB  3.5s',
    '✓ [2/3] COPY . /src                                  cached',
    'warning: Buildfile:3: Image uses id 99999',
    'hint: usermod --add-subuids 1-99999 me',
    '✗ [3/3] RUN make all                                   1.5s',
    '--- last output of [3/3] RUN make all',
    'cc -o hello hello.c',
    'naïve 100%',
    'evil',
    'last',
    '---',
  ]);
});

test('ttyRenderer() draws over itself after the terminal became narrower', () => {
  const terminal = new FakeTerminal(80, 24);
  const renderer = ttyRenderer(terminal, { style: PLAIN, now: () => 4500, timer: false });
  for (const event of scenario()) renderer.handle(event);
  renderer.draw();
  terminal.resize(40);
  renderer.draw();
  const summaries = terminal.lines().filter((line) => line.startsWith('Building'));
  assert.equal(summaries.length, 1);
});

test('ttyRenderer() draws the same with colours', () => {
  for (const untilMs of [1000, 4500, 5000]) {
    const coloured = drawn(60, 24, untilMs, COLOURED).lines().map(stripVTControlCharacters);
    assert.deepEqual(coloured, drawn(60, 24, untilMs).lines());
  }
});
