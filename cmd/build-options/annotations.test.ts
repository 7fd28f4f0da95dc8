import assert from 'node:assert/strict';
import test from 'node:test';
import { parseAnnotations } from './annotations.js';

const CASES: readonly (readonly [string, ReturnType<typeof parseAnnotations>])[] = [
  ['a=b', [{ target: 'manifest', key: 'a', value: 'b' }]],
  ['a.b/c=x=y', [{ target: 'manifest', key: 'a.b/c', value: 'x=y' }]],
  ['a=manifest:b', [{ target: 'manifest', key: 'a', value: 'manifest:b' }]],
  ['manifest:a=', [{ target: 'manifest', key: 'a', value: '' }]],
  [
    'manifest[linux/arm64]:a=b',
    [{ target: 'manifest', key: 'a', value: 'b', platform: 'linux/arm64' }],
  ],
  [
    'manifest,manifest-descriptor:a=b',
    [
      { target: 'manifest', key: 'a', value: 'b' },
      { target: 'manifest-descriptor', key: 'a', value: 'b' },
    ],
  ],
  [
    'index,index-descriptor:a=b',
    [
      { target: 'index', key: 'a', value: 'b' },
      { target: 'index-descriptor', key: 'a', value: 'b' },
    ],
  ],
];
for (const [word, want] of CASES) {
  test(`--annotation ${word}`, () => assert.deepEqual(parseAnnotations([word]), want));
}

const REFUSED: readonly (readonly [string, RegExp])[] = [
  ['a', /want \[TYPE:\]KEY=VALUE/],
  ['=b', /want \[TYPE:\]KEY=VALUE/],
  ['manifest:=b', /want \[TYPE:\]KEY=VALUE/],
  ['manifests:a=b', /found type manifests, want manifest, /],
];
for (const [word, message] of REFUSED) {
  test(`--annotation ${word} is refused`, () => {
    assert.throws(() => parseAnnotations([word]), { code: 'TSB_USAGE', message });
  });
}
