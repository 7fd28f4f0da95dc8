import assert from 'node:assert/strict';
import test from 'node:test';
import { MemoryMount, canMount } from '../../testing/memory-mount.js';
import { COMMON_SCRIPTS } from '../../testing/mount-scripts.js';

const SCRIPTS: [string, string, string][] = [
  ...COMMON_SCRIPTS,
  [
    'counts hard links, and keeps the inode',
    `echo x > a; ln a b; stat -c %h a b; [ a -ef b ] && echo one; echo y > b; cat a
     rm a; stat -c %h b; cat b; ln b a; stat -c %h a; ln . c 2>/dev/null || echo refused`,
    '2\n2\none\ny\n1\ny\n2\nrefused\n',
  ],
  [
    'moves directories, over empty ones too',
    `mkdir -p a/b c; echo x > a/b/f; mv -T a c; ls -A; cat c/b/f; mkdir d; mv -T c/b d; cat d/f
     mkdir e; mv -T d c 2>/dev/null; stat -c %h c; rmdir c 2>/dev/null || echo full`,
    'c\nx\nx\n2\nfull\n',
  ],
  ['links symbolically', 'echo x > a; ln -s a l; cat l; readlink l; stat -c %s l', 'x\na\n1\n'],
  [
    'takes names of any bytes',
    `f=$(printf '\\377\\001'); mkdir "$f"; ls | od -An -tx1 | tr -d ' '
     n=$(printf %255s | tr ' ' n); : > $n; ls | wc -l; : 2>&1 > n$n | grep -c 'too long'`,
    'ff010a\n2\n1\n',
  ],
  [
    'drops set-id bits at a change of owner',
    'echo x > f; chmod 6755 f; stat -c %a f; chown 1:1 f; stat -c %a f; mkdir d; chmod 2755 d; chown 1 d; stat -c %a d',
    '6755\n755\n2755\n',
  ],
  [
    'lets a setgid directory give its group',
    'mkdir d; chgrp 7 d; chmod 2777 d; mkdir d/e; : > d/f; stat -c "%g %a" d/e; stat -c %g d/f',
    '7 2755\n7\n',
  ],
  ['sets times to the nanosecond', 'touch -d @-5.000000001 f; stat -c %.Y f', '-5.000000001\n'],
  ['runs programs', 'cp /bin/true t; ./t && echo ran', 'ran\n'],
  [
    'lists and removes many files',
    'mkdir d; cd d; seq 3000 | xargs touch; ls | wc -l; cd ..; rm -rf d; ls -A',
    '3000\n',
  ],
  [
    'keeps a file that is open and has no name',
    `exec 3<>f; echo old >&3; rm f; stat -L -c %h /dev/fd/3; echo data >&3; chmod 600 /dev/fd/3
     stat -L -c %a /dev/fd/3; cat /proc/$$/fd/3`,
    '0\n600\nold\ndata\n',
  ],
  [
    "keeps a directory that is somebody's and has no name",
    'mkdir d; cd d; rmdir ../d; stat -c %h .; ls; (: > f) 2>/dev/null || echo refused',
    '0\nrefused\n',
  ],
];

const JAVASCRIPT: [string, string, string][] = [
  [
    'shows no ghost of a removed directory (1000 times)',
    `let ghosts = 0;
     for (let i = 0; i < 1000; i++) {
       fs.mkdirSync('yo');
       if (fs.readdirSync('.').join() !== 'yo') ghosts++;
       fs.rmdirSync('yo');
       if (fs.readdirSync('.').length > 0) ghosts++;
     }
     console.log(ghosts);`,
    '0\n',
  ],
  [
    'sets, lists and removes attributes',
    `const { setxattr, getxattr, listxattr, removexattr } = await sys('xattr');
     fs.writeFileSync('f', '');
     setxattr('f', 'user.a', Buffer.from([255, 0]));
     setxattr('f', 'user.big', Buffer.alloc(60000, 7));
     console.log(listxattr('f').join(), getxattr('f', 'user.a'), getxattr('f', 'user.big').length);
     try { setxattr('f', 'user.a', Buffer.from('x'), 1); } catch ({ code }) { console.log(code); }
     removexattr('f', 'user.a');
     console.log(getxattr('f', 'user.a'));`,
    'user.a,user.big <Buffer ff 00> 60000\nEEXIST\nundefined\n',
  ],
  [
    'renames by flags',
    `const { renameat2 } = await sys('directory');
     fs.writeFileSync('a', 'A'); fs.mkdirSync('b');
     try { renameat2(undefined, 'a', undefined, 'b', 1); } catch ({ code }) { console.log(code); }
     renameat2(undefined, 'a', undefined, 'b', 2);
     console.log(fs.readFileSync('b', 'utf8'), fs.readdirSync('a'));
     renameat2(undefined, 'a', undefined, 'c', 4);
     const { rdev } = fs.lstatSync('a');
     console.log(fs.lstatSync('a').isCharacterDevice(), rdev, fs.readdirSync('c'));`,
    'EEXIST\nA []\ntrue 0 []\n',
  ],
  [
    'gives an anonymous file a name',
    `const { openat, write } = await sys('file'); const { linkat } = await sys('directory');
     const C = await sys('constants'); const { fstat } = await sys('stat');
     const fd = openat(undefined, '.', C.O_TMPFILE | C.O_RDWR);
     write(fd, Buffer.from('x'));
     const before = fstat(fd).nlink;
     linkat(undefined, '/proc/self/fd/' + fd.raw, undefined, 'named', { follow: true });
     console.log(before, fstat(fd).nlink, fs.readFileSync('named', 'utf8'));`,
    '0 1 x\n',
  ],
  [
    'allocates, punches and seeks',
    `const { openat, fallocate, pwrite, preadFull, lseek } = await sys('file');
     const C = await sys('constants');
     const fd = openat(undefined, 'f', C.O_RDWR | C.O_CREAT);
     pwrite(fd, Buffer.from('abcdef'), 0);
     fallocate(fd, C.FALLOC_FL_PUNCH_HOLE | C.FALLOC_FL_KEEP_SIZE, 2, 2);
     fallocate(fd, 0, 0, 10);
     const bytes = Buffer.alloc(20);
     console.log(preadFull(fd, bytes, 0), bytes.toString('latin1', 0, 6).replaceAll('\\0', '.'));
     console.log(lseek(fd, 0, C.SEEK_HOLE), lseek(fd, 99, C.SEEK_DATA));`,
    '10 ab..ef\n10 undefined\n',
  ],
];

for (const mode of ['sync', 'async']) {
  test(`a file system in memory, served ${mode}`, async (t) => {
    if (!canMount(t)) return;
    await using mount = await MemoryMount.start(mode);
    const cases = [
      ...SCRIPTS.map(([name, script, want]) => ({ name, want, run: () => mount.run(script) })),
      ...JAVASCRIPT.map(([name, code, want]) => ({ name, want, run: () => mount.runScript(code) })),
    ];
    for (const { name, want, run } of cases) {
      await t.test(name, () => {
        assert.equal(run(), want);
        mount.run('rm -rf -- * .[!.]*');
        assert.equal(mount.run('ls -A'), '');
      });
    }
    await t.test('has its name in the mount table', () => {
      const line = mount.run('grep tsbuild-test /proc/self/mounts');
      assert.match(line, /^mem,o\\134ry \S+ fuse\.tsbuild-test rw,nodev,relatime,/);
    });
    await t.test('ends its server when it is unmounted', async () => {
      assert.deepEqual(await mount.end(), ['unmounted', 0]);
    });
  });
}

test('a mount whose server is killed fails, and can be unmounted', async (t) => {
  if (!canMount(t)) return;
  await using mount = await MemoryMount.start('sync');
  const script = `kill -9 ${mount.pid}; sleep 0.2; ls . 2>&1 | grep -c 'not connected'
    d=$PWD; cd /; umount "$d" && echo unmounted`;
  assert.equal(mount.run(script), '1\nunmounted\n');
});
