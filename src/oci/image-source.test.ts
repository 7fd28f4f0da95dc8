import assert from 'node:assert/strict';
import test from 'node:test';
import { UserError } from '../util/errors.js';
import { formatImageSource, parseImageSource } from './image-source.js';
import { parseReference } from './reference.js';

const CASES: [text: string, want: unknown][] = [
  ['debian:bookworm', { kind: 'reference', reference: parseReference('debian:bookworm') }],
  ['docker://debian', { kind: 'reference', reference: parseReference('debian') }],
  ['oci:out', { kind: 'oci', dir: 'out' }],
  ['oci:/a/b:v1', { kind: 'oci', dir: '/a/b', tag: 'v1' }],
  ['oci:d:ghcr.io/x:1', { kind: 'oci', dir: 'd', tag: 'ghcr.io/x:1' }],
  ['oci-archive:a.tar', { kind: 'oci-archive', file: 'a.tar' }],
  ['docker-archive:a.tar:x:1', { kind: 'docker-archive', file: 'a.tar', tag: 'x:1' }],
  ['oci', { kind: 'reference', reference: parseReference('oci') }],
];

for (const [text, want] of CASES) {
  test(`parseImageSource() reads ${text}`, () => {
    const source = parseImageSource(text);
    assert.deepEqual(source, want);
    assert.deepEqual(parseImageSource(formatImageSource(source)), source);
  });
}

const BAD: [text: string, code: string][] = [
  ['oci:', 'TSB_REFERENCE'],
  ['docker-archive::x', 'TSB_REFERENCE'],
  ['docker-daemon:x:1', 'TSB_UNSUPPORTED'],
  ['containers-storage:x', 'TSB_UNSUPPORTED'],
];

for (const [text, code] of BAD) {
  test(`parseImageSource() refuses ${text}`, () => {
    const refused = (error: unknown): boolean => error instanceof UserError && error.code === code;
    assert.throws(() => parseImageSource(text), refused);
  });
}
