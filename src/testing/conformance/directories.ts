import assert from 'node:assert/strict';
import fs from 'node:fs';

import { O_DIRECTORY, O_RDONLY, SEEK_SET, S_IFREG, direntType } from '../../sys/constants.js';
import { mknodat, readDir } from '../../sys/directory.js';
import { lseek, openat } from '../../sys/file.js';
import { byteName } from '../../util/byte-name.js';
import { fails, inoOf, modeOf, nlinkOf, python, stamps, write, type Checks } from './scene.js';

const MANY = 10_000;

/** Directories, their listings and their names. */
export const DIRECTORIES: Checks = {
  'mkdir makes an empty directory of its mode': () => {
    fs.mkdirSync('d', 0o750);
    const { mode, nlink, uid, gid } = fs.statSync('d');
    assert.deepEqual([mode, nlink, uid, gid], [0o40750, 2, 0, 0]);
    assert.deepEqual(fs.readdirSync('d'), []);
  },
  'mkdir does not replace': () => {
    write('f');
    fs.symlinkSync('none', 'l');
    fs.mkdirSync('d');
    for (const name of ['f', 'l', 'd']) fails('EEXIST', () => fs.mkdirSync(name));
    fails('ENOENT', () => fs.mkdirSync('none/d'));
    fails('ENOTDIR', () => fs.mkdirSync('f/d'));
  },
  'rmdir removes empty directories only': () => {
    fs.mkdirSync('d/e', { recursive: true });
    write('f');
    fails(['ENOTEMPTY', 'EEXIST'], () => fs.rmdirSync('d'));
    fails('ENOTDIR', () => fs.rmdirSync('f'));
    fails('ENOENT', () => fs.rmdirSync('none'));
    fails('EINVAL', () => fs.rmdirSync('d/.'));
    fs.rmdirSync('d/e');
    fs.rmdirSync('d');
    assert.deepEqual(fs.readdirSync('.'), ['f']);
  },
  'a directory counts its subdirectories': () => {
    fs.mkdirSync('d');
    write('d/f');
    for (let i = 0; i < 10; i++) fs.mkdirSync(`d/${i}`);
    assert.equal(nlinkOf('d'), 12);
    fs.rmdirSync('d/3');
    fs.renameSync('d/4', 'x');
    assert.equal(nlinkOf('d'), 10);
  },
  'what changes entries changes the times of a directory': () => {
    fs.mkdirSync('d');
    stamps('d', 'both', () => write('d/f'));
    stamps('d', 'both', () => fs.mkdirSync('d/d'));
    stamps('d', 'both', () => fs.symlinkSync('x', 'd/l'));
    stamps('d', 'both', () => fs.linkSync('d/f', 'd/g'));
    stamps('d', 'both', () => fs.unlinkSync('d/g'));
    stamps('d', 'both', () => fs.rmdirSync('d/d'));
    stamps('d', 'none', () => write('d/f', 'text'));
    stamps('d', 'ctime', () => fs.chmodSync('d', 0o700));
  },
  'a removed directory takes nothing and lists nothing': () =>
    python(`
import errno, os
os.mkdir('d'); f = os.open('d', os.O_RDONLY); os.rmdir('d'); assert os.fstat(f).st_nlink == 0
assert os.listdir(f) == []
for call in lambda: os.open('x', os.O_CREAT | os.O_WRONLY, dir_fd=f), lambda: os.mkdir('y', dir_fd=f):
  try: call(); assert False
  except OSError as e: assert e.errno == errno.ENOENT, e`),
  'a directory removed and made again is another, and empty': () => {
    for (let i = 0; i < 100; i++) {
      fs.mkdirSync('d');
      write('d/f');
      assert.deepEqual(fs.readdirSync('d'), ['f']);
      fs.unlinkSync('d/f');
      fs.rmdirSync('d');
      assert.deepEqual(fs.readdirSync('.'), []);
    }
  },
  'a listing says number and type of everything': () => {
    write('file');
    fs.mkdirSync('dir');
    fs.symlinkSync('x', 'link');
    python(`import os; os.mkfifo('fifo'); os.mknod('sock', 0o140600)`);
    using fd = openat(undefined, '.', O_RDONLY | O_DIRECTORY);
    const entries = readDir(fd);
    assert.equal(entries.length, 5);
    for (const { name, ino, type } of entries) {
      const stat = fs.lstatSync(name);
      assert.deepEqual([ino, type], [stat.ino, direntType(stat.mode)], name);
    }
  },
  'names are bytes, up to 255': () => {
    const names = [[0xff, 0xfe], [0x0a], [0x01], [0x20], [0xc3, 0xbc], [0x5c]].map((each) =>
      Buffer.from(each),
    );
    names.push(Buffer.alloc(255, 'n'));
    for (const name of names) write(name, name);
    const listed = fs.readdirSync(Buffer.from('.'), { encoding: 'buffer' });
    assert.deepEqual(listed.map(byteName).sort(), names.map(byteName).sort());
    for (const name of names) assert.deepEqual(fs.readFileSync(name), name);
  },
  'names of 256 bytes and paths of 4096 are ENAMETOOLONG': () => {
    fails('ENAMETOOLONG', () => write('n'.repeat(256)));
    fails('ENAMETOOLONG', () => fs.mkdirSync('n'.repeat(256)));
    fails('ENAMETOOLONG', () => fs.statSync('n'.repeat(256)));
    fails('ENAMETOOLONG', () => fs.symlinkSync('x', 'n'.repeat(256)));
    fails('ENAMETOOLONG', () => fs.statSync('./'.repeat(2048)));
  },
  'a file on the way is ENOTDIR': () => {
    write('f');
    fails('ENOTDIR', () => fs.statSync('f/x'));
    fails('ENOTDIR', () => fs.statSync('f/.'));
    fails('ENOTDIR', () => fs.readdirSync('f'));
  },
  '.. of a directory is where it is': () => {
    fs.mkdirSync('a/b', { recursive: true });
    assert.equal(inoOf('a/b/..'), inoOf('a'));
    assert.equal(inoOf('a/b/../../a'), inoOf('a'));
  },
  'directories nest deep': () =>
    python(`
import os
for i in range(200): os.mkdir('d'); os.chdir('d')
open('f', 'w').close(); assert os.listdir('.') == ['f']`),
  'names made while listing: nothing twice, nothing left out': () => {
    for (let i = 0; i < 2000; i++) write(`old${i}`);
    using dir = openDir();
    const seen: string[] = [];
    for (let entry = dir.next(); entry !== undefined; entry = dir.next()) {
      seen.push(entry);
      if (seen.length < 1000) write(`new${seen.length}`);
    }
    assert.equal(new Set(seen).size, seen.length);
    assert.equal(seen.filter((name) => name.startsWith('old')).length, 2000);
  },
  'names removed while listing are all found': () => {
    for (let i = 0; i < MANY; i++) mknodat(undefined, `f${i}`, S_IFREG | 0o644);
    const seen = new Set<string>();
    using dir = openDir();
    for (let entry = dir.next(); entry !== undefined; entry = dir.next()) {
      seen.add(entry);
      fs.unlinkSync(entry);
    }
    assert.equal(seen.size, MANY);
    assert.deepEqual(fs.readdirSync('.'), []);
  },
  'a listing can start again': () => {
    write('a');
    using fd = openat(undefined, '.', O_RDONLY | O_DIRECTORY);
    assert.equal(readDir(fd).length, 1);
    write('b');
    fs.unlinkSync('a');
    lseek(fd, 0, SEEK_SET);
    assert.deepEqual(
      readDir(fd).map(({ name }) => name),
      ['b'],
    );
  },
  'seekdir goes back to each place of telldir': () =>
    python(`
import ctypes, os
c = ctypes.CDLL(None); P = ctypes.c_void_p
c.opendir.restype = c.readdir.restype = P; c.telldir.restype = ctypes.c_long
c.readdir.argtypes = c.telldir.argtypes = [P]; c.seekdir.argtypes = [P, ctypes.c_long]
for i in range(500): open('n%d' % i, 'w').close()
d = c.opendir(b'.'); places = []
def name(): e = c.readdir(d); return e and ctypes.string_at(e + 19)
while True:
  at = c.telldir(d); n = name()
  if not n: break
  places.append((at, n))
assert len(places) == 502
for at, n in places[::-17] + places[::23]:
  c.seekdir(d, at); found = name(); assert found == n, (found, n)`),
  'a mode of mkdir goes through the umask': () => {
    process.umask(0o027);
    try {
      fs.mkdirSync('d', 0o777);
      write('f');
    } finally {
      process.umask(0o022);
    }
    assert.deepEqual([modeOf('d'), modeOf('f')], [0o750, 0o640]);
  },
};

function openDir(): Disposable & { next(): string | undefined } {
  const dir = fs.opendirSync('.', { bufferSize: 32 });
  return {
    next: () => dir.readSync()?.name,
    [Symbol.dispose]: () => {
      dir.closeSync();
    },
  };
}
