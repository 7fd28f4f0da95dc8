import assert from 'node:assert/strict';
import test from 'node:test';
import { UserError } from '../util/errors.js';
import { emptyConfig } from './config.js';
import { describeBytes } from './descriptor.js';
import { digestOf } from './digest.js';
import { encodeJson } from './json.js';
import { imageLayers, ociManifest, parseManifest, parseManifestOrIndex } from './manifest.js';
import { MEDIA_TYPE, layerCompression } from './media-types.js';

const CONFIG = describeBytes(MEDIA_TYPE.ociConfig, Buffer.from('{}'));
const LAYER = describeBytes(MEDIA_TYPE.ociLayerGzip, Buffer.from('x'));
const MANIFEST = ociManifest(CONFIG, [LAYER]);

test('parseManifest() keeps fields that it does not know', () => {
  const wire = { ...MANIFEST, 'x-new': { a: [1] }, layers: [{ ...LAYER, 'x-layer': true }] };
  assert.deepEqual(parseManifest(encodeJson(wire), 'manifest'), wire);
});

test('parseManifestOrIndex() reads docker schema 2', () => {
  const config = { ...CONFIG, mediaType: MEDIA_TYPE.dockerConfig };
  const wire = { ...MANIFEST, mediaType: MEDIA_TYPE.dockerManifest, config };
  const parsed = parseManifestOrIndex(encodeJson(wire), MEDIA_TYPE.dockerManifest, 'manifest');
  assert.equal(parsed.kind, 'manifest');
  assert.equal(parsed.mediaType, MEDIA_TYPE.dockerManifest);
});

test('parseManifestOrIndex() reads an index, and a null list as absent', () => {
  const wire = { schemaVersion: 2, manifests: [], annotations: null };
  const parsed = parseManifestOrIndex(encodeJson(wire), undefined, 'index');
  assert.deepEqual(parsed, {
    kind: 'index',
    mediaType: MEDIA_TYPE.ociIndex,
    index: { schemaVersion: 2, manifests: [] },
  });
});

test('parseManifestOrIndex() takes the type from the document when the transport says JSON', () => {
  const parsed = parseManifestOrIndex(encodeJson(MANIFEST), 'application/json', 'manifest');
  assert.equal(parsed.mediaType, MEDIA_TYPE.ociManifest);
});

const { mediaType: _, ...UNTYPED } = MANIFEST;
const BAD: [name: string, value: unknown, code: string, message: RegExp, given?: string][] = [
  ['schema 1', { schemaVersion: 1, fsLayers: [] }, 'TSB_UNSUPPORTED', /schema 1/],
  ['a list', [], 'TSB_IMAGE_INVALID', /found a list, want an object/],
  ['a string', 'x', 'TSB_IMAGE_INVALID', /found string, want an object/],
  ['null', null, 'TSB_IMAGE_INVALID', /want an object/],
  ['manifests and layers', { ...MANIFEST, manifests: [] }, 'TSB_IMAGE_INVALID', /both/],
  [
    'another type inside',
    MANIFEST,
    'TSB_IMAGE_INVALID',
    /found media type/,
    MEDIA_TYPE.dockerManifest,
  ],
  ['an index called manifest', UNTYPED, 'TSB_IMAGE_INVALID', /no "manifests"/, MEDIA_TYPE.ociIndex],
  [
    'another media type',
    { ...MANIFEST, mediaType: 'text/plain' },
    'TSB_UNSUPPORTED',
    /text\/plain/,
  ],
  ['no layers', { ...MANIFEST, layers: undefined }, 'TSB_IMAGE_INVALID', /layers: found nothing/],
  [
    'a negative size',
    { ...MANIFEST, layers: [{ ...LAYER, size: -1 }] },
    'TSB_IMAGE_INVALID',
    /layers\.0\.size: found -1, want >=0/,
  ],
  [
    'a size past 2^53',
    { ...MANIFEST, layers: [{ ...LAYER, size: 2 ** 60 }] },
    'TSB_IMAGE_INVALID',
    /layers\.0\.size/,
  ],
  [
    'a digest that is a path',
    { ...MANIFEST, config: { ...CONFIG, digest: 'sha256:../../x' } },
    'TSB_IMAGE_INVALID',
    /config\.digest: .*want sha256/,
  ],
  [
    'an artifact',
    { ...MANIFEST, config: { ...CONFIG, mediaType: MEDIA_TYPE.ociEmpty }, artifactType: 'a/sbom' },
    'TSB_UNSUPPORTED',
    /an artifact of a\/sbom/,
  ],
];

for (const [name, value, code, message, given] of BAD) {
  test(`parseManifestOrIndex() refuses ${name}`, () => {
    assert.throws(
      () => parseManifestOrIndex(encodeJson(value), given, 'manifest "x"'),
      (error) => {
        assert(error instanceof UserError);
        assert.equal(error.code, code);
        assert.match(error.message, message);
        return true;
      },
    );
  });
}

test('parseManifestOrIndex() refuses bytes that are not UTF-8, and half a document', () => {
  const bytes = encodeJson(MANIFEST);
  const refused = (error: unknown): boolean =>
    error instanceof UserError && error.code === 'TSB_IMAGE_INVALID';
  assert.throws(() => parseManifestOrIndex(Buffer.from([0x7b, 0xff]), undefined, 'm'), refused);
  for (const end of [0, 1, bytes.length - 1]) {
    assert.throws(() => parseManifestOrIndex(bytes.subarray(0, end), undefined, 'm'), refused);
  }
});

test('imageLayers() refuses unequal counts', () => {
  const config = emptyConfig({ os: 'linux', architecture: 'amd64' });
  assert.throws(() => imageLayers(MANIFEST, config, 'x'), /1 layers in the manifest, 0 diff_ids/);
  const diffId = digestOf('x');
  const one = { ...config, rootfs: { type: 'layers', diff_ids: [diffId] } } as const;
  assert.deepEqual(imageLayers(MANIFEST, one, 'x'), [{ descriptor: LAYER, diffId }]);
});

test('layerCompression() knows tar, gzip and zstd, refuses foreign layers', () => {
  assert.equal(layerCompression(MEDIA_TYPE.ociLayer), 'none');
  assert.equal(layerCompression(MEDIA_TYPE.dockerLayerGzip), 'gzip');
  assert.equal(layerCompression(MEDIA_TYPE.ociLayerZstd), 'zstd');
  const foreign = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip';
  const nondistributable = 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip';
  assert.throws(() => layerCompression(foreign), /foreign layer/);
  assert.throws(() => layerCompression(nondistributable), /foreign layer/);
  assert.throws(() => layerCompression('constructor'), /media type "constructor"/);
});
