import assert from 'node:assert/strict';
import fs from 'node:fs';

import {
  fails,
  inoOf,
  modeOf,
  nlinkOf,
  stamps,
  text,
  withFd,
  write,
  type Checks,
} from './scene.js';

/** Hard links and symlinks. */
export const LINKS: Checks = {
  'a link is the same file under another name': () => {
    write('a', 'one');
    fs.linkSync('a', 'b');
    assert.deepEqual([inoOf('a'), nlinkOf('a'), nlinkOf('b')], [inoOf('b'), 2, 2]);
    fs.appendFileSync('b', 'two');
    fs.chmodSync('b', 0o600);
    assert.deepEqual([text('a'), modeOf('a')], ['onetwo', 0o600]);
  },
  'the other name stays when one is removed': () => {
    write('a', 'x');
    fs.linkSync('a', 'b');
    fs.unlinkSync('a');
    assert.deepEqual([text('b'), nlinkOf('b')], ['x', 1]);
    fs.linkSync('b', 'a');
    assert.equal(inoOf('a'), inoOf('b'));
  },
  'a hundred names, in other directories too': () => {
    write('f');
    fs.mkdirSync('d');
    for (let i = 0; i < 100; i++) fs.linkSync('f', `d/${i}`);
    assert.equal(nlinkOf('d/7'), 101);
    for (let i = 0; i < 100; i++) fs.unlinkSync(`d/${i}`);
    assert.equal(nlinkOf('f'), 1);
  },
  'link does not replace': () => {
    write('a');
    write('b');
    fails('EEXIST', () => fs.linkSync('a', 'b'));
    fails('EEXIST', () => fs.linkSync('a', 'a'));
  },
  'link of a directory is EPERM': () => {
    fs.mkdirSync('d');
    fails('EPERM', () => fs.linkSync('d', 'e'));
  },
  'link of nothing is ENOENT': () => {
    write('f');
    fails('ENOENT', () => fs.linkSync('none', 'x'));
    fails('ENOENT', () => fs.linkSync('f', 'none/x'));
    fails('ENOTDIR', () => fs.linkSync('f', 'f/x'));
  },
  'link of a symlink is a name of the symlink': () => {
    fs.symlinkSync('none', 'l');
    fs.linkSync('l', 'm');
    assert.deepEqual([fs.readlinkSync('m'), inoOf('l')], ['none', inoOf('m')]);
  },
  'link and unlink change the time of change of the file': () => {
    write('f');
    stamps('f', 'ctime', () => fs.linkSync('f', 'g'));
    stamps('f', 'ctime', () => fs.unlinkSync('g'));
  },
  'an open file sees how many names it has': () => {
    write('f');
    withFd('f', 'r', (fd) => {
      fs.linkSync('f', 'g');
      assert.equal(fs.fstatSync(fd).nlink, 2);
      fs.unlinkSync('f');
      assert.equal(fs.fstatSync(fd).nlink, 1);
      fs.unlinkSync('g');
      assert.equal(fs.fstatSync(fd).nlink, 0);
    });
  },
  'a symlink is what it says, byte by byte': () => {
    const target = Buffer.from([0xff, 0x0a, 0x2f, 0x2e, 0x2e]);
    fs.symlinkSync(target, 'l');
    assert.deepEqual(fs.readlinkSync('l', { encoding: 'buffer' }), target);
    assert.equal(fs.lstatSync('l').size, target.length);
    assert.equal(modeOf('l'), 0o777);
  },
  'a symlink may be as long as a path': () => {
    const target = 'x/'.repeat(2047);
    fs.symlinkSync(target, 'l');
    assert.equal(fs.readlinkSync('l'), target);
    fails('ENAMETOOLONG', () => fs.symlinkSync('x'.repeat(4096), 'm'));
  },
  'an empty symlink is ENOENT': () => fails('ENOENT', () => fs.symlinkSync('', 'l')),
  'a symlink leads to files and through directories': () => {
    fs.mkdirSync('d');
    write('d/f', 'x');
    fs.symlinkSync('d', 'l');
    fs.symlinkSync('../d/f', 'd/m');
    assert.deepEqual([text('l/f'), text('l/m')], ['x', 'x']);
  },
  'a symlink in a loop is ELOOP': () => {
    fs.symlinkSync('b', 'a');
    fs.symlinkSync('a', 'b');
    fails('ELOOP', () => fs.statSync('a'));
    fails('ELOOP', () => fs.openSync('a/x', 'w'));
  },
  'forty symlinks are followed, not more': () => {
    write('0', 'x');
    for (let i = 1; i <= 41; i++) fs.symlinkSync(String(i - 1), String(i));
    assert.equal(text('40'), 'x');
    fails('ELOOP', () => text('41'));
  },
  'a broken symlink is there, and leads nowhere': () => {
    fs.symlinkSync('none', 'l');
    assert(fs.lstatSync('l').isSymbolicLink());
    fails('ENOENT', () => fs.statSync('l'));
    fails('EEXIST', () => fs.mkdirSync('l'));
  },
  'readlink of a file is EINVAL': () => {
    write('f');
    fails('EINVAL', () => fs.readlinkSync('f'));
  },
  'owner and times of a symlink are its own': () => {
    write('f');
    fs.symlinkSync('f', 'l');
    fs.lchownSync('l', 5, 6);
    fs.lutimesSync('l', 7, 8);
    const { uid, gid, mtimeMs } = fs.lstatSync('l');
    assert.deepEqual([uid, gid, mtimeMs, fs.statSync('f').uid], [5, 6, 8000, 0]);
  },
};
