import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';

import { OverlayFileSystem } from './overlay-filesystem.js';
import { LayerFixture, Shell } from '../testing/overlay-fixture.js';
import { requires } from '../testing/requires.js';
import { setxattr } from '../sys/xattr.js';

/** A file with names in several directories of the base, and what a layer above does to them. */
const NAMES = ['one', 'd/two', 'd/e/three', 'f/four', 'f/g/five'];
const CASES: readonly [
  title: string,
  change: (at: (name: string) => string) => void,
  shown: string[],
][] = [
  ['nothing', () => undefined, NAMES],
  ['other names', (at) => fs.writeFileSync(at('new'), ''), NAMES],
  ['a whiteout', (at) => fs.writeFileSync(at('.wh.one'), ''), NAMES.slice(1)],
  ['a whiteout of what is not there', (at) => fs.writeFileSync(at('.wh.none'), ''), NAMES],
  ['another file', (at) => fs.writeFileSync(at('one'), 'other'), NAMES.slice(1)],
  ['a directory in place of it', (at) => fs.mkdirSync(at('one')), NAMES.slice(1)],
  [
    'a whiteout in a merged directory',
    (at) => {
      fs.mkdirSync(at('d/e'), { recursive: true });
      fs.writeFileSync(at('d/e/.wh.three'), '');
    },
    ['one', 'd/two', 'f/four', 'f/g/five'],
  ],
  [
    'a whiteout of a directory',
    (at) => fs.writeFileSync(at('.wh.d'), ''),
    ['one', 'f/four', 'f/g/five'],
  ],
  ['a file in place of one', (at) => fs.writeFileSync(at('f'), ''), NAMES.slice(0, 3)],
  [
    'an opaque directory',
    (at) => {
      fs.mkdirSync(at('f'));
      fs.writeFileSync(at('f/.wh..wh..opq'), '');
      fs.writeFileSync(at('f/four'), 'other');
    },
    NAMES.slice(0, 3),
  ],
  ['an opaque root', (at) => fs.writeFileSync(at('.wh..wh..opq'), ''), []],
  [
    'a directory that was moved',
    (at) => {
      fs.writeFileSync(at('.wh.d'), '');
      fs.mkdirSync(at('moved/e'), { recursive: true });
      setxattr(at('moved'), 'trusted.overlay.redirect', Buffer.from('d'));
      fs.writeFileSync(at('moved/.wh.two'), '');
    },
    ['one', 'moved/e/three', 'f/four', 'f/g/five'],
  ],
  [
    'a directory that was moved out of one that is gone',
    (at) => {
      fs.writeFileSync(at('.wh.f'), '');
      fs.mkdirSync(at('pure/g'), { recursive: true });
      setxattr(at('pure/g'), 'trusted.overlay.redirect', Buffer.from('/f/g'));
    },
    ['one', 'd/two', 'd/e/three', 'pure/g/five'],
  ],
];

for (const [title, change, shown] of CASES) {
  test(`the names of a file in a plain directory are counted below ${title}`, (t) => {
    // The attribute that says where it was is root's.
    if (title.includes('moved') && !requires(t, 'root')) return;
    const fixture = new LayerFixture(t);
    const [base = '', middle = '', top = ''] = ['base', 'middle', 'top'].map((name) => {
      fs.mkdirSync(path.join(fixture.root, name));
      return path.join(fixture.root, name);
    });
    fs.mkdirSync(path.join(base, 'd/e'), { recursive: true });
    fs.mkdirSync(path.join(base, 'f/g'), { recursive: true });
    fs.writeFileSync(path.join(base, 'one'), 'text');
    for (const name of NAMES.slice(1)) fs.linkSync(path.join(base, 'one'), path.join(base, name));
    change((name) => path.join(middle, name));
    fs.writeFileSync(path.join(top, 'unrelated'), '');
    const lowers = [base, middle, top].map((dir) => ({ kind: 'plain', dir }) as const);
    using overlay = fixture.open([], fixture.newId(), { lowers });
    const sh = new Shell(new OverlayFileSystem(overlay));
    for (const name of shown) assert.equal(sh.stat(`/${name}`).nlink, shown.length, name);
    const [first] = shown;
    if (first === undefined) return;
    sh.rm(`/${first}`);
    sh.ln(`/${shown.at(-1) ?? ''}`, '/again');
    assert.equal(sh.stat('/again').nlink, shown.length);
  });
}
