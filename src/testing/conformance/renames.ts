import assert from 'node:assert/strict';
import fs from 'node:fs';

import { RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT } from '../../sys/constants.js';
import { renameat2 } from '../../sys/directory.js';
import {
  fails,
  inoOf,
  nlinkOf,
  stamps,
  text,
  tick,
  timesOf,
  withFd,
  write,
  type Checks,
} from './scene.js';

function rename(from: string, to: string, flags: number): void {
  renameat2(undefined, from, undefined, to, flags);
}

/** rename(2), renameat2(2). */
export const RENAMES: Checks = {
  'a file keeps its number under its new name': () => {
    write('a', 'x');
    const ino = inoOf('a');
    fs.renameSync('a', 'b');
    assert.deepEqual([text('b'), inoOf('b')], ['x', ino]);
    fails('ENOENT', () => fs.statSync('a'));
  },
  'a rename replaces a file, whose readers keep it': () => {
    write('a', 'new');
    write('b', 'old');
    withFd('b', 'r', (fd) => {
      fs.renameSync('a', 'b');
      assert.deepEqual([fs.readFileSync(fd, 'latin1'), fs.fstatSync(fd).nlink], ['old', 0]);
    });
    assert.equal(text('b'), 'new');
  },
  'a directory moves with what is in it': () => {
    fs.mkdirSync('a/b/c', { recursive: true });
    write('a/b/c/f', 'x');
    fs.mkdirSync('z');
    fs.renameSync('a/b', 'z/y');
    assert.deepEqual([text('z/y/c/f'), nlinkOf('a'), nlinkOf('z')], ['x', 2, 3]);
    assert.equal(inoOf('z/y/..'), inoOf('z'));
  },
  'a directory replaces an empty one only': () => {
    fs.mkdirSync('a');
    write('a/f');
    fs.mkdirSync('empty');
    fs.mkdirSync('full');
    write('full/f');
    fails(['ENOTEMPTY', 'EEXIST'], () => fs.renameSync('a', 'full'));
    fs.renameSync('a', 'empty');
    assert.deepEqual(fs.readdirSync('empty'), ['f']);
  },
  'files and directories do not replace each other': () => {
    fs.mkdirSync('d');
    write('f');
    fails('EISDIR', () => fs.renameSync('f', 'd'));
    fails('ENOTDIR', () => fs.renameSync('d', 'f'));
  },
  'a directory does not move into itself': () => {
    fs.mkdirSync('a/b', { recursive: true });
    fails('EINVAL', () => fs.renameSync('a', 'a/b/c'));
    fails('EINVAL', () => fs.renameSync('a', 'a/x'));
    fails(['ENOTEMPTY', 'EEXIST'], () => fs.renameSync('a/b', 'a'));
  },
  'a rename to itself does nothing': () => {
    write('f', 'x');
    fs.renameSync('f', 'f');
    fs.mkdirSync('d');
    fs.renameSync('d', 'd');
    assert.equal(text('f'), 'x');
  },
  'a rename between names of one file does nothing': () => {
    write('a');
    fs.linkSync('a', 'b');
    fs.renameSync('a', 'b');
    assert.deepEqual(fs.readdirSync('.').sort(), ['a', 'b']);
    assert.equal(nlinkOf('a'), 2);
  },
  'a rename of nothing is ENOENT': () => {
    write('f');
    fails('ENOENT', () => fs.renameSync('none', 'x'));
    fails('ENOENT', () => fs.renameSync('f', 'none/x'));
    fails('ENOTDIR', () => fs.renameSync('f', 'f/x'));
    fails('ENAMETOOLONG', () => fs.renameSync('f', 'x'.repeat(256)));
  },
  'a rename moves a symlink, not what it leads to': () => {
    write('f', 'x');
    fs.symlinkSync('f', 'l');
    fs.renameSync('l', 'm');
    assert.equal(fs.readlinkSync('m'), 'f');
    write('g', 'y');
    fs.renameSync('g', 'm');
    assert.deepEqual([text('m'), text('f')], ['y', 'x']);
  },
  'a rename changes the times of both directories and of the file': () => {
    fs.mkdirSync('a');
    fs.mkdirSync('b');
    write('a/f');
    stamps('a', 'both', () =>
      stamps('b', 'both', () => {
        fs.renameSync('a/f', 'b/f');
      }),
    );
    const { mtime, ctime } = timesOf('b/f');
    tick();
    fs.renameSync('b/f', 'b/g');
    assert.equal(timesOf('b/g').mtime, mtime);
    assert(timesOf('b/g').ctime > ctime);
  },
  'the old name can be used again': () => {
    write('a', '1');
    fs.renameSync('a', 'b');
    write('a', '2');
    fs.renameSync('a', 'c');
    assert.deepEqual([text('b'), text('c'), fs.readdirSync('.').length], ['1', '2', 2]);
  },
  'NOREPLACE replaces nothing': () => {
    write('a', 'a');
    write('b', 'b');
    fs.mkdirSync('d');
    fails('EEXIST', () => rename('a', 'b', RENAME_NOREPLACE));
    fails('EEXIST', () => rename('a', 'd', RENAME_NOREPLACE));
    fails('EEXIST', () => rename('a', 'a', RENAME_NOREPLACE));
    rename('a', 'c', RENAME_NOREPLACE);
    assert.deepEqual([text('b'), text('c')], ['b', 'a']);
  },
  'EXCHANGE swaps two files': () => {
    write('a', 'a');
    write('b', 'b');
    const [a, b] = [inoOf('a'), inoOf('b')];
    rename('a', 'b', RENAME_EXCHANGE);
    assert.deepEqual([text('a'), text('b'), inoOf('a'), inoOf('b')], ['b', 'a', b, a]);
  },
  'EXCHANGE swaps a full directory and a file': () => {
    fs.mkdirSync('x/d', { recursive: true });
    write('x/d/f', 'f');
    fs.mkdirSync('y');
    write('y/g', 'g');
    rename('x/d', 'y/g', RENAME_EXCHANGE);
    assert.deepEqual([text('y/g/f'), text('x/d')], ['f', 'g']);
    assert.deepEqual([nlinkOf('x'), nlinkOf('y')], [2, 3]);
  },
  'EXCHANGE needs both, and no directory in the other': () => {
    fs.mkdirSync('a/b', { recursive: true });
    fails('ENOENT', () => rename('a', 'none', RENAME_EXCHANGE));
    fails('EINVAL', () => rename('a', 'a/b', RENAME_EXCHANGE));
    fails('EINVAL', () => rename('a/b', 'a', RENAME_EXCHANGE));
    fails('EINVAL', () => rename('a', 'b', RENAME_EXCHANGE | RENAME_NOREPLACE));
  },
  'WHITEOUT leaves a device of number 0': () => {
    write('a', 'a');
    rename('a', 'b', RENAME_WHITEOUT);
    const { mode, rdev } = fs.lstatSync('a');
    assert.deepEqual([text('b'), mode & 0o170000, rdev], ['a', 0o020000, 0]);
  },
  'flags that nobody knows are EINVAL': () => {
    write('a');
    fails('EINVAL', () => rename('a', 'b', 64));
  },
};
