import { CALLER } from '../testing/overlay-fixture.js';
import { testRegressions } from '../testing/regressions.js';

testRegressions(
  'what programs do',
  [
    {
      title: 'rm -rf empties a directory of 30000 names',
      script: 'mkdir d; (cd d; seq 30000 | xargs touch); rm -rf d; ls | wc -l',
      want: '0\n',
    },
    {
      title: 'files belong to who makes them',
      lower: (sh) => {
        sh.mkdir('/tmp', 0o1777);
        sh.mkdir('/group', 0o777);
        sh.fs.setattr(sh.id('/group'), { gid: 50, mode: 0o2777, killSuidgid: false }, CALLER);
      },
      script: `
    setpriv --reuid 1234 --regid 2345 --clear-groups bash -c 'touch tmp/f group/g; mkdir group/d'
    stat -c '%u %g %a' tmp/f group/g group/d
    setpriv --reuid 9 --regid 9 --clear-groups bash -c '! rm -f tmp/f 2>/dev/null && ! touch x 2>/dev/null'
    umask 077; touch private; stat -c %a private`,
      want: '1234 2345 644\n1234 50 644\n1234 50 2755\n600\n',
    },
    {
      title: 'times are kept to the nanosecond, before 1970 and after 2038',
      lower: (sh) => {
        sh.write('/f', 'f');
        sh.symlink('f', '/l');
      },
      script: `
    touch -d '1931-02-03 04:05:06.123456789 UTC' f; stat -c '%Y %y' f | cut -c1-43
    touch -d '2200-01-01 00:00:00.000000001 UTC' f; stat -c %Y f; touch -h -d @77 l; stat -c %Y l f
    touch -a -d @5 f; stat -c '%X %Y' f; chown -h 3:4 l; stat -c '%u %g' l f`,
      want:
        '-1227902094 1931-02-03 04:05:06.123456789 +\n' +
        '7258118400\n77\n7258118400\n5 7258118400\n3 4\n0 0\n',
    },
    {
      title: 'set-id bits outlive a chown and a chmod before the close, not a later write',
      script: `
    python3 - <<'END'
import os
f = os.open('p', os.O_CREAT | os.O_WRONLY, 0o600); os.write(f, b'x' * 5000)
os.fchown(f, 0, 0); os.fchmod(f, 0o4755); os.close(f)
END
    stat -c %a p; chown 5:5 p; stat -c %a p; chmod 4757 p
    setpriv --reuid 77 --regid 77 --clear-groups bash -c 'echo x >> p'; stat -c %a p`,
      want: '4755\n755\n757\n',
    },
    {
      title: 'capabilities are kept until the file is written to',
      lower: (sh) => sh.write('/p', 'p'),
      script: `
    python3 - <<'END'
import os
cap = bytes.fromhex('0100000200200000000000000000000000000000')
os.setxattr('p', 'security.capability', cap); assert os.getxattr('p', 'security.capability') == cap
os.chmod('p', 0o755); assert os.getxattr('p', 'security.capability') == cap
open('p', 'a').write('x'); assert os.listxattr('p') == [], os.listxattr('p')
END
    echo ok`,
      want: 'ok\n',
    },
    {
      title: 'a descriptor from before a copy-up sees later writes, mapped or not',
      lower: (sh) => sh.write('/big', Buffer.alloc(500_000, 65)),
      script: `
    python3 - <<'END'
import mmap, os
old = os.open('big', os.O_RDONLY); m = mmap.mmap(old, 0, prot=mmap.PROT_READ)
assert m[0:1] == b'A'
new = os.open('big', os.O_RDWR); os.pwrite(new, b'B', 0)
assert os.pread(old, 1, 0) == b'B' and m[0:1] == b'B'
w = mmap.mmap(new, 0); w[400000:400001] = b'C'; assert os.pread(old, 1, 400000) == b'C'
os.close(new); w.close(); os.unlink('big'); assert m[400000:400001] == b'C'
END
    echo ok`,
      want: 'ok\n',
    },
    {
      title: 'names are bytes',
      script: `
    python3 - <<'END'
import os
names = [b'\\xff\\xfe', b'new\\nline', b'n' * 255, 'ä'.encode(), b' ', b'-']
for name in names: open(name, 'wb').close()
assert sorted(os.listdir(b'.')) == sorted(names)
END
    echo ok`,
      want: 'ok\n',
    },
    {
      title: 'a sparse file is short to write and right to copy',
      script: `
    truncate -s 100M s; printf x | dd of=s bs=1 seek=50000000 conv=notrunc status=none
    test $(du -k s | cut -f 1) -lt 100; cp s t; cmp s t; stat -c %s t; python3 -c "
f = open('dirty', 'w+b'); f.write(b'z' * 100000); f.flush()
import shutil; shutil.copyfile('dirty', 'copied'); assert open('copied', 'rb').read() == b'z' * 100000"
    cp dirty again; cmp dirty again; echo same`,
      want: '104857600\nsame\n',
    },
    {
      title: 'sockets, pipes and a device can be made, and sockets bound',
      script: `
    mkfifo p; (echo through > p &) ; cat p; mknod d c 1 3; (! echo x > d) 2>/dev/null
    python3 -c "
import socket, os
s = socket.socket(socket.AF_UNIX); s.bind('sock'); s.listen()
c = socket.socket(socket.AF_UNIX); c.connect('sock')"
    stat -c '%F' p d sock`,
      want: 'through\nfifo\ncharacter special file\nsocket\n',
    },
    {
      title: 'git works',
      script: `
    export HOME=$PWD GIT_CONFIG_NOSYSTEM=1; git init -q r; cd r; git config user.email a@b; git config user.name a
    for i in {1..200}; do echo $i > f$i; done; git add .; git commit -qm one; git mv f1 g1; git commit -qm two
    git gc -q; git fsck 2>&1; git status --short; git log --oneline | wc -l`,
      want: '2\n',
    },
    {
      title: 'tar restores what it archived',
      lower: (sh) => {
        sh.mkdir('/d');
        sh.write('/d/a', 'a', 0o4755);
        sh.ln('/d/a', '/d/b');
        sh.symlink('a', '/d/l');
        sh.utimes('/d/a', 5, 7);
      },
      script: `
    tar --xattrs -cf d.tar d; mv d old; tar --xattrs -xpf d.tar; diff -r old d
    stat -c '%n %a %h %Y' d/a d/b; rm -r old d; ls`,
      want: 'd/a 4755 2 5\nd/b 4755 2 5\nd.tar\n',
    },
  ],
  { base: () => undefined, programs: ['git', 'tar', 'setpriv'] },
);
