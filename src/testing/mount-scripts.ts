/** What works on a mount whatever serves it: name, script, and what it prints. */
export const COMMON_SCRIPTS: readonly [string, string, string][] = [
  [
    'writes, appends and truncates',
    'echo ab > f; echo c >> f; cat f; : > f; wc -c < f',
    'ab\nc\n0\n',
  ],
  [
    'keeps a large file whole',
    `dd if=/dev/urandom of=/tmp/r$$ bs=1000 count=3001 2>/dev/null; cp /tmp/r$$ f
     echo 3 > /proc/sys/vm/drop_caches; cmp /tmp/r$$ f && echo same; rm /tmp/r$$`,
    'same\n',
  ],
];
