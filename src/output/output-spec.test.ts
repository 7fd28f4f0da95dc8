import assert from 'node:assert/strict';
import test from 'node:test';
import { parseOutputSpec } from './output-spec.js';

for (const [text, want] of [
  ['dir', { type: 'local', dest: 'dir' }],
  ['-', { type: 'tar', dest: '-' }],
  ['type=local,dest=a', { type: 'local', dest: 'a' }],
  ['type=tar,dest=-', { type: 'tar', dest: '-' }],
  ['type=oci,dest=out/image', { type: 'oci', dest: 'out/image', compression: 'gzip' }],
  [
    'type=docker,"dest=a,""b"".tar",name=app:1',
    { type: 'docker', dest: 'a,"b".tar', name: 'app:1', compression: 'gzip' },
  ],
  [
    'dest=x,type=oci-archive,compression=uncompressed',
    { type: 'oci-archive', dest: 'x', compression: 'uncompressed' },
  ],
  [
    'type=oci-archive,dest=-,compression=gzip,compression-level=9',
    { type: 'oci-archive', dest: '-', compression: 'gzip', compressionLevel: 9 },
  ],
] as const) {
  test(`parseOutputSpec() of ${text}`, () => assert.deepEqual(parseOutputSpec(text), want));
}

for (const [text, message] of [
  ['', /it is empty/],
  ['type=oci', /no dest/],
  ['dest=x', /no type, want one of oci, oci-archive/],
  ['type=zip,dest=x', /type zip/],
  ['type=image,name=x', /type image/],
  ['type=oci,dest=-', /is a directory/],
  ['type=local,dest=x,compression=gzip', /compression is not known to type local/],
  ['type=oci,dest=x,compression=zstd', /compression zstd, want gzip or uncompressed/],
  ['type=oci,dest=x,compression-level=10', /compression-level 10/],
  ['type=oci,dest=x,dest=y', /dest is there twice/],
  ['type=oci,dest=x,push', /found "push", want key=value/],
  ['type=oci,"dest=x', /quotation mark/],
] as const) {
  test(`parseOutputSpec() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseOutputSpec(text), { code: 'TSB_USAGE', message });
  });
}

test('parseOutputSpec() refuses a malformed name', () => {
  assert.throws(() => parseOutputSpec('type=oci,dest=x,name=UPPER'), { code: 'TSB_REFERENCE' });
});
