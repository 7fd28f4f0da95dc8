import assert from 'node:assert/strict';
import test from 'node:test';
import { configPlatform, emptyConfig, encodeConfig, parseConfig } from './config.js';
import { digestOf } from './digest.js';
import { chooseFromArchive, parseDockerArchive } from './docker-archive.js';
import { addStep, editContainer, envMap, setEnv } from './edit-config.js';
import { encodeJson } from './json.js';

const DIFF_ID = digestOf('layer');
const WIRE = {
  architecture: 'arm64',
  os: 'linux',
  variant: 'v8',
  'os.version': '1',
  config: { Env: ['A=1'], Domainname: 'kept', Healthcheck: { Test: ['NONE'], New: 1 } },
  rootfs: { type: 'layers', diff_ids: [DIFF_ID] },
  history: [{ created_by: 'x', extra: true }],
};

test('parseConfig() keeps what it does not know', () => {
  const config = parseConfig(encodeJson(WIRE), 'config');
  assert.deepEqual(JSON.parse(encodeConfig(config).toString()), WIRE);
  assert.deepEqual(configPlatform(config), { os: 'linux', architecture: 'arm64', variant: 'v8' });
});

test('parseConfig() takes null as absent', () => {
  const nulls = { Cmd: null, Entrypoint: null, Volumes: null, Env: null, OnBuild: null };
  const wire = {
    ...WIRE,
    config: nulls,
    rootfs: { type: 'layers', diff_ids: null },
    history: null,
  };
  const config = parseConfig(encodeJson(wire), 'config');
  assert.deepEqual(config.config, {});
  assert.deepEqual(config.rootfs.diff_ids, []);
  assert(!('history' in config));
});

const BAD: [name: string, wire: object, message: RegExp][] = [
  ['no architecture', { ...WIRE, architecture: undefined }, /architecture: found nothing/],
  ['no rootfs', { ...WIRE, rootfs: undefined }, /rootfs: found nothing/],
  ['another rootfs', { ...WIRE, rootfs: { type: 'vhd', diff_ids: [] } }, /rootfs\.type/],
  ['a command that is no list', { ...WIRE, config: { Cmd: 'sh' } }, /config\.Cmd: found "sh"/],
  ['a label that is no string', { ...WIRE, config: { Labels: { a: 1 } } }, /config\.Labels\.a/],
];

for (const [name, wire, message] of BAD) {
  test(`parseConfig() refuses ${name}`, () => {
    assert.throws(() => parseConfig(encodeJson(wire), 'config'), message);
  });
}

test('addStep() appends a layer and its history, and mutates nothing', () => {
  const before = emptyConfig({ os: 'linux', architecture: 'amd64' });
  const frozen = structuredClone(before);
  const created = '2026-01-02T03:04:05Z';
  const one = addStep(before, { diffId: DIFF_ID, created, history: { created_by: 'RUN x' } });
  const two = addStep(one, { diffId: undefined, created, history: { created_by: 'ENV a=b' } });
  assert.deepEqual(before, frozen);
  assert.deepEqual(two.rootfs.diff_ids, [DIFF_ID]);
  assert.deepEqual(two.history, [
    { created, created_by: 'RUN x' },
    { created, created_by: 'ENV a=b', empty_layer: true },
  ]);
  assert.equal(two.created, created);
});

test('editContainer() changes and removes settings, keeps the rest', () => {
  const config = parseConfig(encodeJson(WIRE), 'config');
  const edited = editContainer(config, { Env: undefined, Cmd: ['sh'] });
  const { Env: _, ...rest } = WIRE.config;
  assert.deepEqual(edited.config, { ...rest, Cmd: ['sh'] });
  assert.deepEqual(config.config, WIRE.config);
});

test('setEnv() replaces in place', () => {
  assert.deepEqual(setEnv(['A=1', 'B=2'], 'A', '3=4'), ['A=3=4', 'B=2']);
  assert.deepEqual(setEnv(['A=1'], 'AB', ''), ['A=1', 'AB=']);
  assert.deepEqual(
    [...envMap(['A=1=2', 'B=', 'A=3', 'C'])],
    [
      ['A', '3'],
      ['B', ''],
      ['C', ''],
    ],
  );
});

test('chooseFromArchive() compares names normalised', () => {
  const wire = [
    { Config: 'a.json', RepoTags: ['x:latest'], Layers: ['l/layer.tar'] },
    { Config: 'b.json', RepoTags: null, Layers: null },
  ];
  const entries = parseDockerArchive(encodeJson(wire), 'archive');
  assert.equal(chooseFromArchive(entries, 'docker.io/library/x', 'archive').Config, 'a.json');
  assert.throws(() => chooseFromArchive(entries, undefined, 'archive'), /found 2 of them/);
  assert.throws(() => chooseFromArchive(entries, 'y', 'archive'), /Cannot find image "y"/);
});
