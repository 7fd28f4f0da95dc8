import { testRegressions } from '../testing/regressions.js';

testRegressions('renames that overlays get wrong', [
  {
    title: 'the old name of a lower file stays away',
    script: 'mv file new; no stat file; cat new',
    want: 'lower file\n',
    layer: ['-file', 'new'],
  },
  {
    title: 'a lower file that was written to and removed stays away',
    script: 'echo more >> file; rm file; no stat file',
    layer: ['-file'],
  },
  {
    title: 'a lower directory moves with everything in it',
    script: 'mv dir moved; no stat dir; cat moved/a moved/sub/deep; ls moved',
    want: 'a\ndeep\na\nb\nsub\nthree\n',
  },
  {
    title: 'a directory that merges two layers moves with everything in it',
    lower: (sh) => {
      sh.write('/dir/upper', 'upper\n');
      sh.rm('/dir/b');
    },
    script: `
    echo new > dir/new; rm dir/a; python3 -c "import os; os.rename('dir', 'moved')"
    ls moved; cat moved/upper moved/sub/deep; mv moved/sub dir`,
    want: 'new\nsub\nthree\nupper\nupper\ndeep\n',
  },
  {
    title: 'a directory that is renamed over a removed one hides it',
    script: 'rm -r dir; mkdir n; echo x > n/x; mv n dir; ls dir',
    want: 'x\n',
    layer: ['dir/!', 'dir/x'],
  },
  {
    title: 'a directory that is renamed over an empty lower one hides it',
    script: `mkdir n; echo x > n/x; python3 -c "import os; os.rename('n', 'empty')"; ls empty`,
    want: 'x\n',
    layer: ['empty/!', 'empty/x'],
  },
  {
    title: 'a directory that is renamed over an emptied lower one hides it',
    script: `rm -r dir/*; mkdir n; echo x > n/x; python3 -c "import os; os.rename('n', 'dir')"; ls dir`,
    want: 'x\n',
    layer: ['dir/!', 'dir/x'],
  },
  {
    title: 'a rename between two names of one file does nothing',
    script: `
    python3 -c "import os; os.rename('one', 'two'); os.rename('two', 'dir/three')"
    stat -c %h one two dir/three; ln file f2; python3 -c "import os; os.rename('file', 'f2')"; ls file f2`,
    want: '3\n3\n3\nf2\nfile\n',
  },
  {
    title: 'NOREPLACE replaces nothing, and minds no whiteout',
    script: `
    rm other; python3 - <<'END'
from fstools import *
fails(errno.EEXIST, renameat2, 'file', 'big', NOREPLACE); fails(errno.EEXIST, renameat2, 'dir', 'empty', NOREPLACE)
fails(errno.EEXIST, renameat2, 'file', 'file', NOREPLACE); renameat2('file', 'other', NOREPLACE)
fails(errno.EINVAL, renameat2, 'other', 'x', NOREPLACE | EXCHANGE)
END
    cat other; no stat file`,
    want: 'lower file\n',
    layer: ['-file', 'other'],
  },
  {
    title: 'EXCHANGE swaps files, directories, and one for the other',
    script: `
    mkdir new; echo n > new/n; python3 - <<'END'
from fstools import *
renameat2('file', 'other', EXCHANGE); renameat2('dir', 'new', EXCHANGE)
renameat2('empty', 'link', EXCHANGE); fails(errno.ENOENT, renameat2, 'file', 'none', EXCHANGE)
fails(errno.EINVAL, renameat2, 'new', 'new/sub', EXCHANGE); fails(errno.EINVAL, renameat2, 'new/sub', 'new', EXCHANGE)
END
    cat file; cat other; cat dir/n new/a; readlink empty; stat -c %F link`,
    want: 'other file\nlower file\nn\na\nfile\ndirectory\n',
  },
  {
    title: 'WHITEOUT leaves a device behind',
    script: `
    python3 -c "
from fstools import *
renameat2('file', 'moved', WHITEOUT)"
    stat -c '%F %t,%T' file; cat moved`,
    want: 'character special file 0,0\nlower file\n',
  },
  {
    title: 'what cannot be renamed is said with the right error',
    script: `
    python3 - <<'END'
from fstools import *
os.mkdir('full'); open('full/x', 'w').close()
fails(errno.ENOTEMPTY, os.rename, 'empty', 'dir'); fails(errno.ENOTEMPTY, os.rename, 'dir', 'full')
fails(errno.EISDIR, os.rename, 'file', 'dir'); fails(errno.EISDIR, os.rename, 'file', 'empty')
fails(errno.ENOTDIR, os.rename, 'dir', 'file'); fails(errno.ENOTDIR, os.rename, 'dir', 'link')
fails(errno.EINVAL, os.rename, 'dir', 'dir/sub/x'); fails(errno.ENOTEMPTY, os.rename, 'dir/sub', 'dir')
fails(errno.ENOENT, os.rename, 'none', 'x'); fails(errno.ENAMETOOLONG, os.rename, 'file', 'x' * 256)
fails(errno.ENOTDIR, os.rename, 'file', 'other/x'); fails(errno.ENOENT, os.rename, 'file', 'none/x')
END
    rm -r full`,
    layer: [],
  },
  {
    title: 'the old name can be made again, and removed again',
    script: 'mv file new; echo again > file; cat file; rm file; no stat file; cat new',
    want: 'again\nlower file\n',
    layer: ['-file', 'new'],
  },
  {
    title: 'a symlink takes the place of a moved file (fuse-overlayfs 279)',
    script: 'mv file file2; touch file3; ln -s file3 file; readlink file; cat file2',
    want: 'file3\nlower file\n',
  },
  {
    title: 'a directory can move there and back',
    script: 'mv dir d2; mv d2 dir; cat dir/sub/deep; mv dir/sub .; mv sub dir; cat dir/sub/deep',
    want: 'deep\ndeep\n',
  },
  {
    title: 'a directory moves into a new one, and out when that is removed',
    script: 'mkdir -p n/m; mv dir n/m; mv n/m/dir n2; rm -r n; cat n2/sub/deep; no stat dir',
    want: 'deep\n',
  },
  {
    title: 'a copy over a former name of a directory is whole (fuse-overlayfs 444)',
    script: 'mv dir tmp; cp -r tmp dir; ls dir; cat dir/sub/deep; rm -r tmp; ls dir/sub',
    want: 'a\nb\nsub\nthree\ndeep\ndeep\n',
  },
  {
    title: 'a whiteout stays where its file was (fuse-overlayfs 354)',
    script: 'rm other; touch file; mv file other; no stat file; cat other',
    want: 'lower file\n',
    layer: ['-file', 'other'],
  },
  {
    title: 'a file replaced by a rename can be used on, without a name',
    script: `
    exec 3<file; echo new > n; mv n file; cat <&3; cat file; stat -L -c %h /proc/self/fd/3`,
    want: 'lower file\nnew\n0\n',
    layer: ['file'],
  },
]);
