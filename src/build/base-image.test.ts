import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { RegistryClient } from '../registry/client.js';
import { parseOutputSpec } from '../output/output-spec.js';
import { TestBuilds } from '../testing/builds.js';
import { TestRegistry } from '../testing/registry.js';
import { UserError } from '../util/errors.js';

const BASE = 'FROM scratch\nCOPY f /f\nENV A=1\n';
const ON_TOP = '\nCOPY g /g\nLABEL a=$A\n';
const WANT = ['/f 644 0:0 "f"', '/g 644 0:0 "g"'];

for (const type of ['oci', 'oci-archive', 'docker-archive']) {
  test(`FROM takes an image of ${type}`, async (t) => {
    const builds = await TestBuilds.create(t);
    builds.files({ f: 'f', g: 'g' });
    const dest = path.join(builds.dir, 'image');
    const output = parseOutputSpec(`type=${type.replace('docker-archive', 'docker')},dest=${dest}`);
    await builds.build(BASE, { tags: ['base'], outputs: [output] });
    const other = await TestBuilds.create(t);
    other.files({ f: 'f', g: 'g' });
    await other.build(`FROM ${type}:${dest}${ON_TOP}`);
    assert.deepEqual(await other.tree(), WANT);
    const { config } = await other.image();
    assert.deepEqual(config.config?.Labels, { a: '1' });
    assert.equal(config.history?.length, 4);
  });
}

test('FROM pulls an image, its blobs stay as they are when pushed again', async (t) => {
  await using registry = await TestRegistry.start();
  await using client = new RegistryClient({
    insecureRegistries: [registry.host],
    userAgent: 'test',
  });
  const deps = { registry: () => Promise.resolve(client) };
  const base = `${registry.host}/team/base:1`;
  const builds = await TestBuilds.create(t);
  builds.files({ f: 'f', g: 'g' });
  await builds.build(BASE, { tags: [base], push: true }, deps);
  const other = await TestBuilds.create(t);
  other.files({ f: 'f', g: 'g' });
  const text = `FROM ${base}${ON_TOP}`;
  const top = `${registry.host}/team/top:1`;
  await assert.rejects(other.build(text, {}, deps), { code: 'TSB_IMAGE_NOT_FOUND' });
  await other.build(text, { pull: 'missing', tags: [top], push: true }, deps);
  const kinds = other.events.flatMap((event) =>
    event.kind === 'vertex-added' ? [event.vertex.kind] : [],
  );
  assert(kinds.includes('transfer'));
  await other.build(text, {}, deps);
  assert.deepEqual(await other.tree(), WANT);
  const { manifest } = await other.image();
  assert.match(manifest.layers[0]?.mediaType ?? '', /\+gzip$/);
  assert.match(manifest.layers[1]?.mediaType ?? '', /\.tar$/);
});

test('two stages on one image find it once', async (t) => {
  const builds = await TestBuilds.create(t);
  builds.files({ f: 'f', g: 'g' });
  await builds.build(BASE, { tags: ['base'] });
  await builds.build('FROM base AS a\nCOPY g /g\nFROM base\nCOPY --from=a /g /g\n');
  assert.deepEqual(await builds.tree(), WANT);
});

test('a COPY from a misspelt stage names the stage that was meant', async (t) => {
  const builds = await TestBuilds.create(t);
  builds.files({ f: 'f' });
  const text = 'FROM scratch AS build\nCOPY f /f\nFROM scratch\nCOPY --from=biuld /f /f\n';
  await assert.rejects(builds.build(text, { pull: 'never' }), {
    code: 'TSB_IMAGE_NOT_FOUND',
    hint: 'Did you mean the stage "build"?',
  });
});

test('pull: newer takes what the registry has, or what is there when it cannot be reached', async (t) => {
  await using registry = await TestRegistry.start();
  await using client = new RegistryClient({
    insecureRegistries: [registry.host],
    userAgent: 'test',
  });
  const deps = { registry: () => Promise.resolve(client) };
  const base = `${registry.host}/base:1`;
  const others = await TestBuilds.create(t);
  const push = async (f: string): Promise<void> => {
    others.files({ f });
    await others.build('FROM scratch\nCOPY f /\n', { tags: [base], push: true }, deps);
  };
  const builds = await TestBuilds.create(t);
  const text = `FROM ${base}\n`;
  await push('old');
  for (const [pull, want] of [
    ['missing', 'old'],
    ['missing', 'old'],
    ['newer', 'new'],
  ] as const) {
    await builds.build(text, { pull }, deps);
    assert.deepEqual(await builds.tree(), [`/f 644 0:0 "${want}"`]);
    if (want === 'old') await push('new');
  }
  const gone = new UserError('TSB_NETWORK', 'Cannot reach the registry');
  const outOfReach = { registry: () => Promise.reject(gone) };
  await builds.build(text, { pull: 'newer' }, outOfReach);
  assert.deepEqual(await builds.tree(), ['/f 644 0:0 "new"']);
  await assert.rejects(builds.build(text, { pull: 'always' }, outOfReach), { code: 'TSB_NETWORK' });
});
