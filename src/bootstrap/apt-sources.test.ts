import assert from 'node:assert/strict';
import test from 'node:test';
import { type AptSource, formatDeb822, formatOneLine } from './apt-sources.js';
import { parseDeb822Sources, parseOneLineSources } from './apt-sources.js';

const ONE_LINE: readonly (readonly [text: string, sources: readonly AptSource[]])[] = [
  ['', []],
  ['# deb http://a b c\n', []],
  ['deb-src http://a/debian sid main', []],
  [
    'deb http://a/debian bookworm main contrib # mirror\n',
    [{ uris: ['http://a/debian'], suites: ['bookworm'], components: ['main', 'contrib'] }],
  ],
  [
    '  deb [ arch=amd64 signed-by=/k.gpg ]\thttp://a/debian\tsid   main\n',
    [{ uris: ['http://a/debian'], suites: ['sid'], components: ['main'], signedBy: '/k.gpg' }],
  ],
  ['deb http://a/flat ./\n', [{ uris: ['http://a/flat'], suites: ['./'], components: [] }]],
];

for (const [text, sources] of ONE_LINE) {
  test(`parseOneLineSources() of ${JSON.stringify(text)}`, () => {
    assert.deepEqual(parseOneLineSources(text), sources);
  });
}

const DEB822: readonly (readonly [text: string, sources: readonly AptSource[]])[] = [
  ['', []],
  ['Types: deb-src\nURIs: http://a\nSuites: b\nComponents: main\n', []],
  ['Enabled: no\nTypes: deb\nURIs: http://a\nSuites: b\nComponents: main\n', []],
  [
    '# comment\nTypes: deb deb-src\n# http://old\nURIs: http://a/debian http://b/debian\n' +
      'suites: bookworm bookworm-updates\nComponents:\n main\n contrib\nSigned-By: /k.gpg\n',
    [
      {
        uris: ['http://a/debian', 'http://b/debian'],
        suites: ['bookworm', 'bookworm-updates'],
        components: ['main', 'contrib'],
        signedBy: '/k.gpg',
      },
    ],
  ],
  [
    'Types: deb\nURIs: http://a\nSuites: x\nComponents: main\n \n\nTypes: deb\nURIs: http://b\nSuites: y\nComponents: main',
    [
      { uris: ['http://a'], suites: ['x'], components: ['main'] },
      { uris: ['http://b'], suites: ['y'], components: ['main'] },
    ],
  ],
];

for (const [text, sources] of DEB822) {
  test(`parseDeb822Sources() of ${JSON.stringify(text)}`, () => {
    assert.deepEqual(parseDeb822Sources(text), sources);
  });
}

test('a source can be read as it was written, in both formats', () => {
  const source = { uris: ['http://a/debian'], suites: ['sid'], components: ['main', 'contrib'] };
  assert.deepEqual(parseOneLineSources(formatOneLine(source).join('\n')), [source]);
  const signed = { ...source, signedBy: '/k.gpg' };
  assert.deepEqual(parseDeb822Sources(formatDeb822(signed)), [signed]);
});
