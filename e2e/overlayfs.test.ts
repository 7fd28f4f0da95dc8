import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { requires } from '../src/testing/requires.js';
import { ensureTestUser, type TestUser } from '../src/testing/user.js';

/**
 * tsbuild-overlayfs: what its mounts leave in the upper directory is what they showed, to itself,
 * the kernel's overlayfs and fuse-overlayfs, and it reads what those leave.
 */
const OVERLAYFS = fileURLToPath(new URL('../cmd/overlayfs/main.js', import.meta.url));
const SNAPSHOT = fileURLToPath(new URL('../src/testing/snapshot-process.js', import.meta.url));
const TIMEOUT_MS = 120_000;

/** Mounts of each kind on `mnt`, their end, and what they show. */
const PRELUDE = `
set -eu
DIRS=lowerdir=lower2:lower1,upperdir=upper,workdir=work
overlayfs() { "${process.execPath}" "${OVERLAYFS}" "$@"; }
ours() { overlayfs -o "$DIRS\${1:+,$1}" mnt; }
kernel() { mount -t overlay overlay -o "$DIRS\${1:+,$1}" mnt; }
other() { fuse-overlayfs -o "$DIRS" mnt; }
gone() { umount mnt; overlayfs --wait upper; }
snapshot() { "${process.execPath}" "${SNAPSHOT}" mnt > "$1"; }
same() { diff "$1" "$2" >&2 || { echo "$3: not the same" >&2; exit 1; }; }
fails() { if "$@" 2> said; then echo "succeeded: $*" >&2; exit 1; fi; }
says() { grep -q -- "$1" said || { echo "want $1" >&2; cat said >&2; exit 1; }; }
`;

/** Two lower directories. */
const LAYERS = `
mkdir -p lower1/d/sub lower1/e lower1/gone lower2/d upper work mnt
for name in a b c; do echo $name > lower1/d/$name; echo $name > lower1/e/$name; done
echo one > lower1/f; ln lower1/f lower1/f-link; echo del > lower1/del; echo g > lower2/g
echo below > lower1/d/sub/s; echo q > lower1/gone/q; echo y > lower2/d/y
cp /bin/true lower1/tool; ln -s d lower1/symlink
`;

const SOCKET = `python3 -c "import socket; socket.socket(socket.AF_UNIX).bind('sock')"`;

/** Every kind of change, in \`mnt\`. */
const CHANGES = `
echo new > n; ln n n2; rm del; echo more >> f; mv d moved; mkdir d; echo dx > d/dx
mv e/a e/renamed; mv e/b d/; rm -r gone; mkdir gone; chown 5:6 g; mkfifo fifo; ln -s where sym
touch -h -d '2002-02-02 02:02:02.123456789' sym; chmod 4755 tool
touch -d '2001-02-03 04:05:06.789' n; touch -d '1960-01-01 00:00:00.5' e
setfattr -n user.k -v v n; setfattr -n user.dir -v v e; setfacl -m u:33:r n
setfacl -d -m u:33:rwx moved; mkdir -m 1777 sticky; mkdir -m 2775 sgid
truncate -s 50M sparse; echo end >> sparse; head -c 400000 /dev/zero | tr '\\0' x > big
mkdir -p 'odd name' "$(printf 'b\\377ytes')"; echo x > "$(printf 'new\\nline')"
${SOCKET}
`;

const ROOT_CHANGES = `
mknod null c 1 3; mknod disk b 7 200; setcap cap_net_raw+ep tool; chown 4000000:5000000 big
setfattr -n trusted.t -v 1 n
`;

describe('tsbuild-overlayfs', () => {
  const base = mkdtempSync(join(tmpdir(), 'tsbuild-overlayfs-'));
  chmodSync(base, 0o755);
  after(() => rmSync(base, { recursive: true, force: true }));
  let serial = 0;

  /** Runs a script in a directory and mount namespace of its own; returns what it said. */
  const run = (script: string, user?: TestUser): string => {
    const dir = join(base, String(++serial));
    mkdirSync(dir);
    writeFileSync(join(dir, 'script'), PRELUDE + script);
    const unshare = ['unshare', '--mount', '--propagation', 'private'];
    const as = ['runuser', '-u', user?.name ?? '', '--', 'unshare', '-Um', '-r', '--map-auto'];
    if (user !== undefined) {
      const idOf = (flag: string): number =>
        Number(spawnSync('id', [flag, user.name]).stdout.toString());
      chownSync(dir, idOf('-u'), idOf('-g'));
    }
    const [file, ...args] = [...(user === undefined ? unshare : as), 'bash', './script'];
    const result = spawnSync(file, args, { cwd: dir, encoding: 'utf8', timeout: TIMEOUT_MS });
    assert.equal(result.status, 0, `${result.stdout}\n${result.stderr}`);
    return result.stdout;
  };

  const NEEDS = ['root', 'fuse', 'program:python3', 'program:setfattr', 'program:setfacl'] as const;

  test('leaves all changes as the kernel, fuse-overlayfs and itself read them', (t) => {
    if (!requires(t, ...NEEDS, 'program:fuse-overlayfs', 'program:setcap')) return;
    run(`${LAYERS}
      ours; (cd mnt; ${CHANGES} ${ROOT_CHANGES}); snapshot 1; gone
      test -z "$(ls work)"; test -z "$(getfattr -d -m tsbuild upper)"
      test "$(stat -c %b upper/sparse)" -lt 100
      ours; snapshot 2; gone; same 1 2 ours
      kernel; snapshot 3; umount mnt; same 1 3 kernel
      other; snapshot 4; umount mnt; same 1 4 fuse-overlayfs`);
  });

  test('changes what it and others have left before', (t) => {
    if (!requires(t, ...NEEDS)) return;
    const steps = [
      'echo a > d/new; mv d/a e/a2; rm e/c',
      'mv d/new d/new2; chmod 600 d/new2; echo back > d/a; ln e/a2 hard; mv d dd; mkdir d e/c',
      'echo more >> hard; mv dd d/dd; rm -rf e; mkdir x y; echo 1 > x/1; echo 2 > y/2',
      'echo e > e; chown 1:2 hard; mv x t; mv y x; mv t y; mv d/dd x/',
      'rm e; mkdir e; mv y/1 x/1; rmdir y; touch -d 1999-01-01 e; chmod 700 .',
      'rm -rf *',
    ];
    const check = (change: string, at: number): string => `
      ours; (cd mnt; ${change}); snapshot 1; gone
      kernel; snapshot 2; umount mnt; same 1 2 'kernel, step ${at}'`;
    run(`${LAYERS}
      ${steps.map(check).join('\n')}
      ours; snapshot 2; gone; same 1 2 ours`);
  });

  test("reads and changes an upper directory of the kernel's, redirects and metacopies", (t) => {
    if (!requires(t, ...NEEDS)) return;
    // The kernel copies f alone up, and still counts the name that it hides below.
    run(`${LAYERS}
      lone() { sed -i 's/ link(f-link)$//' "$1"; }
      kernel redirect_dir=on,metacopy=on
      (cd mnt; mv d moved; mkdir d; echo x > d/y; mv moved e/deep; chmod 600 f; rm del
        mv e/c c; chown 3 c; rm -r gone; mkdir gone; mv e/deep/sub e/deep/sub2)
      snapshot 1; umount mnt; grep -q 'link(f-link)$' 1; lone 1
      ours; snapshot 2; same 1 2 'read'
      (cd mnt; echo z > e/deep/z; mv c e/c2; chmod 644 f; rm e/deep/b; echo s >> e/deep/sub2/s)
      snapshot 3; gone
      ours; snapshot 4; gone; same 3 4 'changed'
      kernel redirect_dir=on,metacopy=on; snapshot 5; umount mnt; lone 5
      same 3 5 'changed, kernel'
      DIRS=lowerdir=upper:lower2:lower1 ours; snapshot 6; umount mnt; same 3 6 'as a lower'`);
  });

  test('reads and changes an upper directory of fuse-overlayfs', (t) => {
    if (!requires(t, ...NEEDS, 'program:fuse-overlayfs')) return;
    run(`${LAYERS}
      other; (cd mnt; rm del; rm -r gone; mkdir gone; echo n > n; rm -r d/sub; mv e/a e/z)
      # It shows times of directories that are not those on the disk, until it is mounted again.
      umount mnt; other; snapshot 1; umount mnt
      ours; snapshot 2; same 1 2 read; (cd mnt; mv e/z .; rm -r gone); snapshot 3; gone
      other; snapshot 4; same 3 4 changed; umount mnt
      DIRS=lowerdir=upper:lower2:lower1 ours; snapshot 5; umount mnt; same 3 5 'as a lower'`);
  });

  test('works in a user namespace', (t) => {
    if (!requires(t, ...NEEDS, 'program:newuidmap')) return;
    run(
      `${LAYERS}
      ours; (cd mnt; ${CHANGES}); snapshot 1; gone
      test "$(getfattr --only-values -n user.overlay.opaque upper/gone)" = y
      ours; snapshot 2; gone; same 1 2 ours
      kernel userxattr; snapshot 3; umount mnt; same 1 3 kernel`,
      ensureTestUser(),
    );
  });

  test('keeps everything but what it may not read', (t) => {
    if (!requires(t, ...NEEDS, 'program:newuidmap')) return;
    const base =
      run(`mkdir -p lower/d/private; echo secret > lower/d/secret; echo in > lower/d/private/in
      setfattr -n user.k -v v lower/d/secret; chmod 600 lower/d/secret; chmod 700 lower/d/private
      echo linked > lower/h; ln lower/h lower/d/h2; echo ok > lower/d/ok; pwd`).trim();
    run(
      `mkdir upper work mnt; DIRS=lowerdir=${base}/lower,upperdir=upper,workdir=work
      ours; test "$(ls mnt/d | wc -l)" = 4; ls -l mnt/d > /dev/null; fails cat mnt/d/secret
      echo new > mnt/new; chmod 640 mnt/h; mv mnt/d mnt/moved; fails ls mnt/moved/private
      umount mnt; fails overlayfs --wait upper; says "'moved/secret' (EACCES"
      says "'moved/private' (EACCES"; test "$(cat upper/new upper/moved/ok)" = "$(printf 'new\nok')"
      test upper/h -ef upper/moved/h2; test "$(stat -c %a upper/h)" = 640; test -z "$(ls work)"`,
      ensureTestUser(),
    );
  });

  test('takes no file away that cannot get its new name', (t) => {
    if (!requires(t, 'root', 'fuse')) return;
    run(`${LAYERS}
      mkdir -p upper/u/n other; echo o > other/o; echo f > upper/u/f; mount --bind other upper/u/n
      ours; mv mnt/u mnt/moved; echo new > mnt/new; umount mnt
      fails overlayfs --wait upper; says "'moved/n/o' (EXDEV"; says "'u' (a file that was there"
      test "$(cat other/o upper/u/n/o upper/u/f upper/moved/f upper/new)" = "$(printf 'o\\no\\nf\\nf\\nnew')"`);
  });

  test('is in the foreground with -f, and ends at a signal with files open', (t) => {
    if (!requires(t, 'root', 'fuse')) return;
    run(`${LAYERS}
      "${process.execPath}" "${OVERLAYFS}" -f -o $DIRS mnt 2> said & server=$!
      until mountpoint -q mnt && test -e mnt/f; do sleep 0.05; done
      exec 5> mnt/open; echo before >&5; kill -TERM $server; wait $server
      ! mountpoint -q mnt; says 'is in use'; test "$(cat upper/open)" = before`);
  });

  test('is not unmounted while files are open, but lazily, and written when they are closed', (t) => {
    if (!requires(t, 'root', 'fuse')) return;
    run(`${LAYERS}
      ours; exec 5> mnt/open; echo early >&5
      fails umount mnt; says busy; mountpoint -q mnt; echo more >> mnt/f
      umount -l mnt; ! mountpoint -q mnt; test -z "$(ls mnt)"
      (sleep 0.5; echo late >&5) & exec 5>&-
      overlayfs --wait upper; test "$(cat upper/open)" = "$(printf 'early\\nlate')"
      test "$(tail -n 1 upper/f)" = more; test -z "$(ls work)"`);
  });

  test('has a second mount of the same upper directory wait', (t) => {
    if (!requires(t, 'root', 'fuse')) return;
    run(`${LAYERS}
      ours; head -c 30000000 /dev/zero > mnt/zeros; touch said
      (until grep -q Waiting said; do sleep 0.1; done; umount mnt) &
      ours 2> said; says 'Waiting for another mount'; test "$(stat -c %s mnt/zeros)" = 30000000
      fails overlayfs -o lowerdir=lower1,upperdir=lower2,workdir=work lower1
      says 'another mount uses it'; gone`);
  });

  for (const flag of ['', '-f']) {
    test(`mounts nothing when it is interrupted while it waits ${flag}`, (t) => {
      if (!requires(t, 'root', 'fuse')) return;
      run(`${LAYERS}
        mkdir mnt2; ours; touch said
        "${process.execPath}" "${OVERLAYFS}" ${flag} -o $DIRS mnt2 2> said & second=$!
        until grep -q Waiting said; do sleep 0.1; done; kill -TERM $second
        status=0; wait $second || status=$?; test $status = 143; says 'Interrupted by SIGTERM'
        gone; ours; gone; ! mountpoint -q mnt2`);
    });
  }

  test('unmounts a dead mount, and tells that changes were lost', (t) => {
    if (!requires(t, 'root', 'fuse')) return;
    run(`${LAYERS}
      "${process.execPath}" "${OVERLAYFS}" -f -o $DIRS mnt & server=$!
      until mountpoint -q mnt && test -e mnt/f; do sleep 0.05; done
      echo lost > mnt/lost; kill -KILL $server; wait $server || true
      fails overlayfs --wait upper; says 'killed'
      ln -s . link; overlayfs -o $DIRS link/mnt 2> said; says 'Unmounted'; says 'killed'
      test ! -e mnt/lost; gone`);
  });

  test('keeps what there is space for', (t) => {
    if (!requires(t, 'root', 'fuse')) return;
    run(`mkdir disk mnt; mount -t tmpfs -o size=8m tmpfs disk; mkdir disk/{lower,upper,work}
      DIRS=lowerdir=disk/lower,upperdir=disk/upper,workdir=disk/work; echo old > disk/upper/old
      "${process.execPath}" "${OVERLAYFS}" -f -o $DIRS mnt 2> said & server=$!
      until mountpoint -q mnt && test -e mnt/old; do sleep 0.05; done
      for i in {10..70}; do head -c 200000 /dev/urandom > mnt/$i; done; echo s > mnt/small
      umount mnt; if wait $server; then exit 1; fi; says 'ENOSPC'; says 'the rest is written'
      test -s disk/upper/old -a -s disk/upper/10; test "$(stat -c %s disk/upper/*[0-9] | sort -u)" = 200000
      ours 2> said; says 'ENOSPC'; umount mnt`);
  });

  test('mounts over its own lower directory, and by mount(8)', (t) => {
    if (!requires(t, 'root', 'fuse')) return;
    const helper = fileURLToPath(
      new URL('../../scripts/mount.fuse.tsbuild-overlayfs', import.meta.url),
    );
    run(`${LAYERS}
      overlayfs -o lowerdir=lower1,upperdir=upper,workdir=work lower1
      echo new > lower1/new; test "$(cat lower1/f)" = one; umount lower1
      overlayfs --wait upper; test ! -e lower1/new -a -e upper/new
      sh "${helper}" none mnt -o ro,lowerdir=lower1 -t fuse.tsbuild-overlayfs
      grep -q 'none .*/mnt fuse.tsbuild-overlayfs ro' /proc/self/mounts; fails touch mnt/x`);
  });

  test('does not find itself below a lower directory that has its mount point', (t) => {
    if (!requires(t, ...NEEDS)) return;
    const script = `
mkdir -p all/lower/d all/mnt all/sub upper work; echo text > all/lower/d/f
mount -t tmpfs sub all/sub; echo below > all/sub/g
overlayfs -o lowerdir=all,upperdir=upper,workdir=work all/mnt
cd all/mnt; ls -lR . > ../../listed; [ "$(cat lower/d/f sub/g)" = "$(printf 'text\\nbelow')" ]
[ -z "$(ls mnt)" ]; echo new > mnt/new; cd ../..; umount all/mnt; overlayfs --wait upper
[ "$(cat upper/mnt/new)" = new ]`;
    run(script);
    run(`mount --make-shared -t tmpfs top . && cd "$PWD"\n${script}`);
    run(script, ensureTestUser());
  });

  test('says what is not as it should be', (t) => {
    if (!requires(t, 'root', 'fuse')) return;
    run(`${LAYERS}
      overlayfs --wait lower1 2> said; says 'No mount uses .*/lower1: all have ended, or there was'
      fails overlayfs --wait nowhere; says "'.*/nowhere' as --wait: there is no such directory"
      says 'hint: Name the upperdir of the mount'
      fails overlayfs -o lowerdir=nowhere mnt; says 'as lowerdir: there is no such'
      ! grep hint said; fails overlayfs -o $DIRS,upperdir=nowhere mnt; says 'hint: mkdir -p'
      overlayfs -o rw,lowerdir=lower1 mnt 2> said; says '"rw" does nothing here'; umount mnt
      fails overlayfs -o $DIRS,uidmapping=1:2 mnt; says 'hint: uidmapping=0:100000:65536'`);
  });

  test('counts the links of directories, or not', (t) => {
    if (!requires(t, 'root', 'fuse')) return;
    const out = run(`${LAYERS}
      for option in userxattr static_nlink; do
        ours $option; mkdir -p mnt/new/in; chmod 700 mnt/e; ls -lR mnt > list
        echo $(stat -c %h mnt mnt/d mnt/e mnt/new mnt/f; cd mnt/new/in; rmdir ../in; stat -c %h .)
        awk '/^d/ { print $2 }' list | sort -u; gone
      done`);
    assert.equal(out, '6 3 2 3 2 0\n2\n3\n1 1 1 1 2 0\n1\n');
  });

  test('shows and keeps owners as it is told', (t) => {
    if (!requires(t, 'root', 'fuse', 'program:getfattr')) return;
    run(`${LAYERS}
      chown 7:8 lower1/f
      ours uidmapping=0:100000:1000,gidmapping=0:100000:1000
      test "$(stat -c %u:%g mnt/f)" = 100007:100008; chown 100009:100010 mnt/g; fails touch mnt/n
      gone; test "$(stat -c %u:%g upper/g)" = 9:10
      ours squash_to_root; test "$(stat -c %u:%g mnt/f)" = 0:0; chmod 600 mnt/f
      gone; test "$(stat -c %u:%g upper/f)" = 7:8
      ours xattr_permissions=2; touch mnt/x; chown 5:6 mnt/x; chmod 4711 mnt/x; snapshot 1
      gone; test "$(stat -c %u:%g:%a upper/x)" = 0:0:755
      test "$(getfattr --only-values -n user.containers.override_stat upper/x)" = 5:6:4711
      ours xattr_permissions=2; snapshot 2; same 1 2 override; gone`);
  });
});
