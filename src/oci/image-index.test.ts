import assert from 'node:assert/strict';
import test from 'node:test';
import { UserError } from '../util/errors.js';
import type { Descriptor } from './descriptor.js';
import { describeBytes } from './descriptor.js';
import { chooseManifest, ociIndex } from './image-index.js';
import { ANNOTATION, chooseFromLayout, parseLayoutMarker } from './layout.js';
import { MEDIA_TYPE } from './media-types.js';
import { formatPlatform, hostPlatform, normalisePlatform, parsePlatform } from './platform.js';

const entry = (os: string, architecture: string, variant?: string): Descriptor => ({
  ...describeBytes(MEDIA_TYPE.ociManifest, Buffer.from(`${os}/${architecture}/${variant ?? ''}`)),
  platform: { os, architecture, ...(variant !== undefined && { variant }) },
});

const INDEX = ociIndex([
  entry('linux', 'arm', 'v5'),
  entry('linux', 'arm', 'v7'),
  entry('linux', 'arm64', 'v8'),
  entry('linux', 'amd64'),
  entry('linux', 'amd64', 'v3'),
  entry('windows', 'amd64'),
  entry('unknown', 'unknown'),
]);

const CHOICES: [platform: string, want: string][] = [
  ['linux/amd64', 'linux/amd64'],
  ['linux/amd64/v4', 'linux/amd64/v3'],
  ['linux/amd64/v2', 'linux/amd64'],
  ['x86_64', 'linux/amd64'],
  ['aarch64', 'linux/arm64/v8'],
  ['arm64/v9', 'linux/arm64/v8'],
  ['arm', 'linux/arm/v7'],
  ['arm/v6', 'linux/arm/v5'],
  ['windows/amd64', 'windows/amd64'],
];

for (const [platform, want] of CHOICES) {
  test(`chooseManifest() takes ${want} for ${platform}`, () => {
    const chosen = chooseManifest(INDEX, parsePlatform(platform), 'index');
    assert(chosen.platform !== undefined);
    assert.equal(formatPlatform(chosen.platform), want);
  });
}

test('chooseManifest() lists what there is', () => {
  assert.throws(
    () => chooseManifest(INDEX, parsePlatform('linux/s390x'), 'debian'),
    (error) => {
      assert(error instanceof UserError);
      assert.equal(error.code, 'TSB_IMAGE_NOT_FOUND');
      assert.equal(error.message, 'Cannot find linux/s390x in debian');
      assert.match(error.hint ?? '', /linux\/amd64, linux\/amd64\/v3, linux\/arm\/v5/);
      assert.doesNotMatch(error.hint ?? '', /unknown/);
      return true;
    },
  );
});

test('chooseManifest() takes the only entry when it names no platform', () => {
  const only = describeBytes(MEDIA_TYPE.ociManifest, Buffer.from('x'));
  assert.equal(chooseManifest(ociIndex([only]), parsePlatform('arm64'), 'x'), only);
});

const PLATFORMS: [text: string, want: string][] = [
  ['linux/x86_64', 'linux/amd64'],
  ['linux/amd64/v1', 'linux/amd64'],
  ['linux/aarch64', 'linux/arm64/v8'],
  ['linux/arm64', 'linux/arm64/v8'],
  ['linux/arm/7', 'linux/arm/v7'],
  ['linux/armhf', 'linux/arm/v7'],
  ['linux/armel', 'linux/arm/v6'],
  ['linux/i686', 'linux/386'],
  ['Linux/S390X', 'linux/s390x'],
  ['ppc64el', 'linux/ppc64le'],
];

for (const [text, want] of PLATFORMS) {
  test(`parsePlatform() reads ${text}`, () => {
    assert.equal(formatPlatform(parsePlatform(text)), want);
  });
}

for (const text of ['', 'linux', 'linux/', 'a/b/c/d', 'linux/amd 64', '/amd64', 'linux/v8']) {
  test(`parsePlatform() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => parsePlatform(text), /want os\/architecture/);
  });
}

test('hostPlatform() is normalised linux', () => {
  assert.deepEqual(normalisePlatform(hostPlatform()), hostPlatform());
  assert.equal(hostPlatform().os, 'linux');
});

test('chooseFromLayout() finds by name, and the only one without', () => {
  const [a, b] = INDEX.manifests;
  assert(a !== undefined && b !== undefined);
  const named = { ...a, annotations: { [ANNOTATION.refName]: 'v1' } };
  const other = { ...b, annotations: { [ANNOTATION.imageName]: 'ghcr.io/x:2' } };
  const index = ociIndex([named, other]);
  assert.equal(chooseFromLayout(index, { tag: 'v1' }, 'd'), named);
  assert.equal(chooseFromLayout(index, { tag: 'ghcr.io/x:2' }, 'd'), other);
  assert.equal(chooseFromLayout(index, { digest: other.digest }, 'd'), other);
  assert.equal(chooseFromLayout(ociIndex([named]), {}, 'd'), named);
  assert.throws(() => chooseFromLayout(index, {}, 'd'), /found 2 of them/);
  assert.throws(
    () => chooseFromLayout(index, { tag: 'v3' }, 'd'),
    (error) => error instanceof UserError && error.hint === 'it has v1, ghcr.io/x:2',
  );
});

test('parseLayoutMarker() wants version 1', () => {
  parseLayoutMarker(Buffer.from('{"imageLayoutVersion":"1.0.0"}'), 'd');
  assert.throws(
    () => parseLayoutMarker(Buffer.from('{"imageLayoutVersion":"2"}'), 'd'),
    /version 2/,
  );
  assert.throws(() => parseLayoutMarker(Buffer.from('{}'), 'd'), /imageLayoutVersion/);
});
