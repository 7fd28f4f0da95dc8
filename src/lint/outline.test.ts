import assert from 'node:assert/strict';
import test from 'node:test';
import { parseBuildfileSyntax } from '../dockerfile/buildfile.js';
import { listTargets, outlineOf } from './outline.js';

const GIVEN = { buildArgs: { LEVEL: '9' }, predefined: { TARGETARCH: 'amd64' } };

const FILE = `# syntax=docker/dockerfile:1
ARG suite=bookworm
ARG other=\${suite}-x
ARG unused=\${other}
# image is where all begins
ARG image="debian:\${suite}"

FROM \${image} AS first
# nothing about it
ARG FREE=1
# LEVEL of compression
# check=skip=all
ARG LEVEL=5
RUN --mount=type=secret,target=/etc/token,required=true --mount=type=ssh make

FROM busybox\${unused} AS second
ARG LOST
RUN --mount=type=secret,id=lost true

FROM scratch AS third
ARG suite
ARG password
RUN --mount=type=secret,id=s\${LEVEL:-0} true

# target is what we want
FROM third AS target
ARG LEVEL
COPY --from=first /etc/passwd /
RUN --mount=type=ssh,id=deploy,required make

FROM second
`;

test('outlineOf() tells what a target and the stages that it needs take', () => {
  const outline = outlineOf(parseBuildfileSyntax(FILE, 'f'), { ...GIVEN, target: 'target' });
  assert.deepEqual(outline, {
    name: 'target',
    description: 'is what we want',
    args: [
      { name: 'suite', value: 'bookworm', description: undefined, line: 2 },
      { name: 'image', value: 'debian:bookworm', description: 'is where all begins', line: 6 },
      { name: 'FREE', value: '1', description: undefined, line: 10 },
      { name: 'password', value: undefined, description: undefined, line: 22 },
      { name: 'LEVEL', value: '9', description: undefined, line: 27 },
    ],
    secrets: [
      { id: 'token', required: true, line: 14 },
      { id: 's0', required: false, line: 23 },
    ],
    ssh: [
      { id: 'default', required: false, line: 14 },
      { id: 'deploy', required: true, line: 29 },
    ],
  });
});

test('outlineOf() gives the last value of an argument that is made of itself', () => {
  const text = `ARG A=1
ARG B=b
ARG A=\${A}\${B}
ARG C=\${A}2
ARG A=\${A}\${C}
FROM scratch
ARG A
ARG D=3
ARG D=\${D}4
`;
  const { args } = outlineOf(parseBuildfileSyntax(text, 'f'), { ...GIVEN, target: undefined });
  assert.deepEqual(
    args.map(({ name, value, line }) => [name, value, line]),
    [
      ['B', 'b', 2],
      ['C', '1b2', 4],
      ['A', '1b1b2', 5],
      ['D', '34', 9],
    ],
  );
});

test('outlineOf() suggests the target that was meant', () => {
  const buildfile = parseBuildfileSyntax(FILE, 'f');
  assert.throws(() => outlineOf(buildfile, { ...GIVEN, target: 'targte' }), {
    message: 'Cannot find stage "targte"',
    hint: 'Did you mean target?',
  });
});

test('listTargets() lists all stages as they are written', () => {
  const targets = listTargets(parseBuildfileSyntax(FILE, 'f'));
  assert.deepEqual(
    targets.map(({ name, isDefault, description, base, line }) => [
      name,
      isDefault,
      description,
      base,
      line,
    ]),
    [
      ['first', false, undefined, '${image}', 8],
      ['second', false, undefined, 'busybox${unused}', 16],
      ['third', false, undefined, 'scratch', 20],
      ['target', false, 'is what we want', 'third', 26],
      [undefined, true, undefined, 'second', 31],
    ],
  );
});
