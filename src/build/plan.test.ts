import assert from 'node:assert/strict';
import test from 'node:test';
import { parseBuildfile } from '../dockerfile/buildfile.js';
import type { BuildPlan, PlanInputs } from './plan.js';
import { planBuild } from './plan.js';

const plan = (text: string, inputs: Partial<PlanInputs> = {}): BuildPlan =>
  planBuild(parseBuildfile(text, 'Buildfile'), {
    target: undefined,
    buildArgs: {},
    predefined: { TARGETARCH: 'amd64' },
    ...inputs,
  });

const STAGES = `
FROM scratch AS base
FROM base AS unused
FROM base AS Tools
COPY --from=0 / /
FROM scratch
COPY --from=tools /x /x
`;

test('planBuild() drops stages that the target does not need', () => {
  assert.deepEqual(plan(STAGES).needed, [0, 2, 3]);
  assert.deepEqual(plan(STAGES, { target: 'unused' }).needed, [0, 1]);
  assert.deepEqual(plan(STAGES, { target: 'TOOLS' }).needed, [0, 2]);
  assert.deepEqual(plan(STAGES, { target: '0' }).needed, [0]);
});

test('planBuild() names stages', () => {
  assert.deepEqual(
    plan(STAGES).stages.map(({ label }) => label),
    ['base', 'unused', 'tools', 'stage-3'],
  );
  assert.equal(plan('FROM scratch').target.label, '');
});

const GLOBAL_ARGS: readonly (readonly [string, string, Record<string, string>, string])[] = [
  ['default', 'ARG V=12\nFROM debian:$V', {}, 'debian:12'],
  ['--build-arg', 'ARG V=12\nFROM debian:$V', { V: '13' }, 'debian:13'],
  ['one from another', 'ARG A=1\nARG B=${A}2\nFROM debian:$B', {}, 'debian:12'],
  ['predefined', 'ARG TARGETARCH\nFROM debian:$TARGETARCH', {}, 'debian:amd64'],
  ['fallback in the word', 'FROM debian:${V:-sid}', {}, 'debian:sid'],
];
for (const [name, text, buildArgs, want] of GLOBAL_ARGS) {
  test(`planBuild() expands FROM: ${name}`, () => {
    const { base } = plan(text, { buildArgs }).target;
    assert.equal(base.kind === 'image' && base.text, want);
  });
}

const BAD: readonly (readonly [string, string, string, RegExp])[] = [
  ['unknown target', 'FROM scratch AS build', 'biuld', /Cannot find stage "biuld"/],
  ['bad image name', 'FROM UPPER', '', /UPPER/],
  ['no value', 'ARG V\nFROM debian:$V', '', /FROM "debian:\$V": V has no value/],
  ['no value at all', 'ARG V=\nFROM $V', '', /FROM "\$V": V has no value/],
  ['no ARG', 'FROM debian:${V}', '', /V has no value/],
  ['another fault', 'FROM ${V:-UPPER}', '', /upper-case/],
  ['a fault besides', 'FROM UPPER$V', '', /upper-case/],
  ['what the file says', 'ARG V\nFROM ${V:?giveV}', '', /giveV/],
];
for (const [name, text, target, message] of BAD) {
  test(`planBuild() refuses: ${name}`, () => {
    assert.throws(() => plan(text, target === '' ? {} : { target }), message);
  });
}
