import assert from 'node:assert/strict';
import fs from 'node:fs';

import { fchownat, mknodat, utimensat } from '../../sys/directory.js';
import { asUser, fails, inoOf, modeOf, python, run, stamps, timesOf, write } from './scene.js';
import type { Checks } from './scene.js';

const USER = 1234;
/** Seconds: before 1970, far before, after 2038, after 2106. */
const SECONDS = [-1, 1 - 2 ** 31, 2 ** 31 + 5, 2 ** 32 + 5, 2 ** 33];

function chown(path: string, uid: number, gid: number): void {
  fchownat(undefined, path, uid, gid);
}

/** Modes, owners, times and what set-id bits and directories make of them. */
export const ATTRIBUTES: Checks = {
  'chmod sets every bit': () => {
    write('f');
    fs.mkdirSync('d');
    for (const mode of [0, 0o777, 0o4755, 0o2755, 0o1777, 0o6711]) {
      for (const name of ['f', 'd']) {
        fs.chmodSync(name, mode);
        assert.equal(modeOf(name), mode);
      }
    }
  },
  'chmod, chown and utimes change the time of change': () => {
    write('f');
    stamps('f', 'ctime', () => fs.chmodSync('f', 0o600));
    stamps('f', 'ctime', () => fs.chownSync('f', 1, 2));
    stamps('f', 'ctime', () => utimensat(undefined, 'f', { atime: { sec: 1, nsec: 2 } }));
  },
  'chown sets one id or both': () => {
    write('f');
    chown('f', 5, -1);
    chown('f', -1, 6);
    assert.deepEqual([fs.statSync('f').uid, fs.statSync('f').gid], [5, 6]);
    chown('f', 4_000_000_000, 4_000_000_001);
    assert.deepEqual([fs.statSync('f').uid, fs.statSync('f').gid], [4_000_000_000, 4_000_000_001]);
  },
  'chown takes set-id bits away, but of a directory': () => {
    write('f');
    fs.chmodSync('f', 0o6755);
    chown('f', 5, -1);
    assert.equal(modeOf('f'), 0o755);
    fs.chmodSync('f', 0o2644);
    chown('f', -1, 6);
    assert.equal(modeOf('f'), 0o2644);
    fs.mkdirSync('d');
    fs.chmodSync('d', 0o6755);
    chown('d', 5, 6);
    assert.equal(modeOf('d'), 0o6755);
  },
  'a write by root keeps set-id bits': () => {
    write('f');
    fs.chmodSync('f', 0o6755);
    fs.appendFileSync('f', 'x');
    fs.truncateSync('f', 0);
    assert.equal(modeOf('f'), 0o6755);
  },
  'a write by somebody else takes set-id bits away': () => {
    write('f');
    fs.chmodSync('f', 0o6777);
    asUser(USER, USER, () => fs.appendFileSync('f', 'x'));
    assert.equal(modeOf('f'), 0o777);
    fs.chmodSync('f', 0o6777);
    asUser(USER, USER, () => fs.truncateSync('f', 0));
    assert.equal(modeOf('f'), 0o777);
  },
  'chmod by somebody outside the group takes set-gid away': () => {
    write('f');
    chown('f', USER, 50);
    asUser(USER, USER, () => fs.chmodSync('f', 0o2755));
    assert.equal(modeOf('f'), 0o755);
  },
  'only who owns a file changes its mode, and nobody gives it away': () => {
    write('f');
    chown('f', USER, USER);
    asUser(USER, USER, () => {
      fs.chmodSync('f', 0o600);
      fails('EPERM', () => chown('f', 5, -1));
    });
    asUser(USER + 1, USER, () => fails('EPERM', () => fs.chmodSync('f', 0o666)));
  },
  'a set-gid directory hands down its group, to directories the bit': () => {
    fs.mkdirSync('d');
    chown('d', 0, 50);
    fs.chmodSync('d', 0o2777);
    asUser(USER, USER, () => {
      write('d/f');
      fs.mkdirSync('d/e');
      fs.symlinkSync('x', 'd/l');
      mknodat(undefined, 'd/p', 0o010644);
    });
    for (const name of ['f', 'e', 'l', 'p']) assert.equal(fs.lstatSync(`d/${name}`).gid, 50);
    assert.deepEqual([modeOf('d/e') & 0o2000, modeOf('d/f') & 0o2000], [0o2000, 0]);
    assert.equal(fs.lstatSync('d/f').uid, USER);
  },
  'in a sticky directory only owners remove and rename': () => {
    fs.mkdirSync('d');
    fs.chmodSync('d', 0o1777);
    write('d/root');
    asUser(USER, USER, () => write('d/mine'));
    asUser(USER + 1, USER, () => {
      fails(['EPERM', 'EACCES'], () => fs.unlinkSync('d/mine'));
      fails(['EPERM', 'EACCES'], () => fs.renameSync('d/mine', 'd/x'));
    });
    asUser(USER, USER, () => {
      fails(['EPERM', 'EACCES'], () => fs.renameSync('d/mine', 'd/root'));
      fs.unlinkSync('d/mine');
    });
  },
  'permissions decide who reads, writes, searches and runs': () => {
    write('f');
    fs.mkdirSync('d');
    write('d/f');
    fs.chmodSync('f', 0o600);
    fs.chmodSync('d', 0o744);
    asUser(USER, USER, () => {
      fails('EACCES', () => fs.readFileSync('f'));
      fails('EACCES', () => fs.writeFileSync('f', 'x'));
      fails('EACCES', () => fs.statSync('d/f'));
      assert.deepEqual(fs.readdirSync('d'), ['f']);
      fails('EACCES', () => fs.unlinkSync('f'));
      fails('EACCES', () => write('new'));
    });
    fails('EACCES', () => fs.accessSync('f', fs.constants.X_OK));
    fs.chmodSync('f', 0o100);
    fs.accessSync('f', fs.constants.X_OK | fs.constants.W_OK);
  },
  'a group has its own permissions': () => {
    write('f', 'x');
    chown('f', 5, USER);
    fs.chmodSync('f', 0o040);
    asUser(USER, USER, () => assert.equal(fs.readFileSync('f', 'latin1'), 'x'));
    asUser(5, USER, () => fails('EACCES', () => fs.readFileSync('f')));
  },
  'a file belongs to who made it': () => {
    fs.mkdirSync('d');
    fs.chmodSync('d', 0o777);
    asUser(USER, USER + 1, () => {
      write('d/f');
      fs.mkdirSync('d/d');
      fs.symlinkSync('x', 'd/l');
    });
    for (const name of ['f', 'd', 'l']) {
      const { uid, gid } = fs.lstatSync(`d/${name}`);
      assert.deepEqual([uid, gid], [USER, USER + 1]);
    }
  },
  'times are kept to the nanosecond, far from 1970 too': () => {
    write('f');
    for (const sec of SECONDS) {
      utimensat(undefined, 'f', { atime: { sec, nsec: 1 }, mtime: { sec, nsec: 999_999_999 } });
      const { atime, mtime } = timesOf('f');
      const start = BigInt(sec) * 1_000_000_000n;
      assert.deepEqual([atime - start, mtime - start], [1n, 999_999_999n], String(sec));
    }
  },
  'a time that is left out stays': () => {
    write('f');
    utimensat(undefined, 'f', { atime: { sec: 5, nsec: 0 }, mtime: { sec: 6, nsec: 0 } });
    utimensat(undefined, 'f', { atime: { sec: 7, nsec: 0 } });
    utimensat(undefined, 'f', { mtime: { sec: 8, nsec: 0 } });
    assert.deepEqual([timesOf('f').atime, timesOf('f').mtime], [7_000_000_000n, 8_000_000_000n]);
    stamps('f', 'none', () => utimensat(undefined, 'f', {}));
  },
  'who may write may set times to now only': () => {
    write('f');
    fs.chmodSync('f', 0o666);
    run('touch', '-d', '@5', 'f');
    run('setpriv', '--reuid', '77', '--regid', '77', '--clear-groups', 'touch', 'f');
    assert(timesOf('f').mtime > 1_000_000_000_000_000_000n);
    asUser(77, 77, () => fails('EPERM', () => fs.utimesSync('f', 1, 2)));
  },
  'writing and truncating change the times': () => {
    write('f', 'x');
    stamps('f', 'both', () => fs.appendFileSync('f', 'y'));
    stamps('f', 'both', () => fs.truncateSync('f', 1));
    stamps('f', 'none', () => fs.readFileSync('f'));
  },
  'set-id bits outlive a chown and a chmod before the close': () => {
    const fd = fs.openSync('f', 'wx');
    fs.writeSync(fd, 'x'.repeat(5000));
    fs.fchownSync(fd, 0, 0);
    fs.fchmodSync(fd, 0o4755);
    fs.closeSync(fd);
    assert.equal(modeOf('f'), 0o4755);
  },
  'statx and stat agree': () => {
    write('f', 'text');
    const [ino, size] = run('stat', '-c', '%i %s', 'f').trim().split(' ').map(Number);
    assert.deepEqual([ino, size], [inoOf('f'), 4]);
  },
  'lsattr says flags, and chattr sets those again': () =>
    python(`
import array, fcntl, os
GET, SET = 0x80086601, 0x40086602
open('f', 'w').close(); f = os.open('f', os.O_RDONLY); flags = array.array('l', [0])
fcntl.ioctl(f, GET, flags); was = flags[0]; fcntl.ioctl(f, SET, flags)
fcntl.ioctl(f, GET, flags); assert flags[0] == was`),
  'chattr sets a flag': () =>
    python(`
import array, fcntl, os
GET, SET, NODUMP = 0x80086601, 0x40086602, 0x40
open('f', 'w').close(); f = os.open('f', os.O_RDONLY); flags = array.array('l', [0])
fcntl.ioctl(f, GET, flags); flags[0] |= NODUMP; fcntl.ioctl(f, SET, flags)
flags[0] = 0; fcntl.ioctl(f, GET, flags); assert flags[0] & NODUMP`),
};
