import assert from 'node:assert/strict';
import test from 'node:test';
import { UserError } from '../util/errors.js';
import { formatFamiliar, formatReference, parseReference, withDefaultTag } from './reference.js';

const HEX = 'ab'.repeat(32);

const GOOD: [text: string, canonical: string, familiar: string][] = [
  ['debian', 'docker.io/library/debian', 'debian'],
  ['debian:bookworm', 'docker.io/library/debian:bookworm', 'debian:bookworm'],
  ['docker.io/debian', 'docker.io/library/debian', 'debian'],
  ['index.docker.io/library/debian', 'docker.io/library/debian', 'debian'],
  ['me/app', 'docker.io/me/app', 'me/app'],
  ['library/a/b', 'docker.io/library/a/b', 'library/a/b'],
  ['localhost/x', 'localhost/x', 'localhost/x'],
  ['localhost:5000', 'docker.io/library/localhost:5000', 'localhost:5000'],
  ['localhost:5000/x:1', 'localhost:5000/x:1', 'localhost:5000/x:1'],
  ['ghcr.io/a/b/c', 'ghcr.io/a/b/c', 'ghcr.io/a/b/c'],
  ['Registry/x', 'Registry/x', 'Registry/x'],
  ['[::1]:5000/x', '[::1]:5000/x', '[::1]:5000/x'],
  ['127.0.0.1:5000/a__b/c--d.e', '127.0.0.1:5000/a__b/c--d.e', '127.0.0.1:5000/a__b/c--d.e'],
  [`a@sha256:${HEX}`, `docker.io/library/a@sha256:${HEX}`, `a@sha256:${HEX}`],
  [`a:1@sha256:${HEX}`, `docker.io/library/a:1@sha256:${HEX}`, `a:1@sha256:${HEX}`],
  [`a:${'t'.repeat(128)}`, `docker.io/library/a:${'t'.repeat(128)}`, `a:${'t'.repeat(128)}`],
  ['a:_x.Y-1', 'docker.io/library/a:_x.Y-1', 'a:_x.Y-1'],
  [`x.io/${'p'.repeat(255)}`, `x.io/${'p'.repeat(255)}`, `x.io/${'p'.repeat(255)}`],
];

for (const [text, canonical, familiar] of GOOD) {
  test(`parseReference() reads ${text.slice(0, 40)}`, () => {
    const reference = parseReference(text);
    assert.equal(formatReference(reference), canonical);
    assert.equal(formatFamiliar(reference), familiar);
    assert.deepEqual(parseReference(familiar), reference);
    assert.deepEqual(parseReference(canonical), reference);
  });
}

const BAD: [text: string, message: RegExp, hint?: string][] = [
  ['', /it is empty/],
  ['Debian', /upper-case letters in "Debian"/, 'write debian'],
  ['ghcr.io/Me/App:V1', /upper-case letters in "Me\/App"/, 'write ghcr.io/me/app:V1'],
  ['BAD NAME', /upper-case letters in "BAD NAME"/, 'write NAME, NAME:TAG or HOST/NAME:TAG'],
  [HEX, /image id/],
  ['https://ghcr.io/x', /begins with https:\/\//, 'write ghcr.io/x'],
  ['/x', /repository "\/x"/],
  ['a//b', /repository "a\/\/b"/],
  ['a/', /repository "a\/"/],
  ['ghcr.io/', /no repository/],
  ['a___b', /repository "a___b"/],
  ['-a', /repository "-a"/],
  ['a:', /tag ""/],
  ['a:b:c', /tag "b:c"/],
  ['a:-x', /tag "-x"/],
  [`a:${'t'.repeat(129)}`, /tag of 129 characters/],
  ['a@sha256:12', /digest "sha256:12"/],
  [`a@sha256:${HEX.toUpperCase()}`, /digest/],
  [`a@md5:${HEX}`, /digest/],
  ['ex_ample.com/x', /"ex_ample.com" is no registry host/],
  ['localhost:port/x', /no registry host/],
  [`x.io/${'p'.repeat(256)}`, /repository of 256 characters/],
  ['a b', /repository "a b"/],
  ['a\n', /repository "a\\n"/],
  ['../etc', /no registry host|repository/],
];

for (const [text, message, hint] of BAD) {
  test(`parseReference() refuses ${JSON.stringify(text).slice(0, 40)}`, () => {
    assert.throws(
      () => parseReference(text),
      (error) => {
        assert(error instanceof UserError);
        assert.equal(error.code, 'TSB_REFERENCE');
        assert.match(error.message, message);
        if (hint !== undefined) assert.equal(error.hint, hint);
        return true;
      },
    );
  });
}

test('withDefaultTag() leaves a digest alone', () => {
  assert.equal(formatFamiliar(withDefaultTag(parseReference('a'))), 'a:latest');
  assert.equal(withDefaultTag(parseReference(`a@sha256:${HEX}`)).tag, undefined);
});
