import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { requires } from '../src/testing/requires.js';

const EXAMPLES = fileURLToPath(new URL('../../examples/library/', import.meta.url));
const BUILD_IMAGE = join(EXAMPLES, 'build-image.js');

function temporaryDirectory(t: test.TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'tsbuild-examples-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** How an example is used: its words, what is done in the mount, and how it is ended. */
interface Use {
  readonly words: (mountpoint: string) => readonly string[];
  readonly script: string;
  readonly end: 'umount .' | 'kill -INT $server';
}

/** Runs an example and a script in its mount; what both wrote, and the example's exit code. */
async function useExample(
  t: test.TestContext,
  example: string,
  { words, script, end }: Use,
): Promise<string> {
  const mountpoint = join(temporaryDirectory(t), 'mnt');
  mkdirSync(mountpoint);
  const ending = end === 'umount .' ? `cd /; umount '${mountpoint}'` : `cd /; ${end}`;
  const all = `"$@" > '${mountpoint}.log' & server=$!
    for try in $(seq 200); do grep -q "^mounted " '${mountpoint}.log' && break; sleep 0.05; done
    cd '${mountpoint}'; ${script}
    ${ending}; wait $server; echo "exit $?"
    grep -q ' ${mountpoint} ' /proc/mounts && echo 'still mounted'
    tail -n +2 '${mountpoint}.log'`;
  const command = [process.execPath, join(EXAMPLES, example), ...words(mountpoint)];
  const { stdout, stderr } = await promisify(execFile)(
    'unshare',
    ['--mount', '--propagation', 'private', 'sh', '-c', all, 'sh', ...command],
    { encoding: 'utf8', timeout: 60_000, env: { ...process.env, LC_ALL: 'C' } },
  );
  assert.equal(stderr, '');
  return stdout;
}

test('examples/library/hello-fs.js is a file system', async (t) => {
  if (!requires(t, 'root', 'fuse', 'program:unshare')) return;
  for (const end of ['umount .', 'kill -INT $server'] as const) {
    const script = "ls; cat hello; cat none 2>&1 | grep -o 'No such file'; ls hello/x 2>&1 | wc -l";
    const output = await useExample(t, 'hello-fs.js', { words: (dir) => [dir], script, end });
    assert.equal(output, 'hello\nHello from user space.\nNo such file\n1\nexit 0\n');
  }
});

test('examples/library/json-fs.js shows a document', async (t) => {
  if (!requires(t, 'root', 'fuse', 'program:unshare')) return;
  const document = join(temporaryDirectory(t), 'document.json');
  writeFileSync(document, '{"a": [1, {"b/": 2, "__proto__": "p"}], "text": "grün", "none": null}');
  const output = await useExample(t, 'json-fs.js', {
    words: (dir) => [document, dir],
    script: 'find . -type f | sort; cat text a/0 a/1/__proto__; echo x 2>&1 > text | cut -d: -f4',
    end: 'umount .',
  });
  const names = './a/0\n./a/1/__proto__\n./none\n./text\n';
  assert.equal(output, `${names}grün\n1\np\n Read-only file system\nexit 0\n`);
});

test('examples/library/http-fs.js fetches what is read', async (t) => {
  if (!requires(t, 'root', 'fuse', 'program:unshare')) return;
  const content = Buffer.alloc(300_000, 'abcdefg');
  const server = createServer(({ method, headers }, response) => {
    const [, from = 0, to = 0] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
    const piece = method === 'HEAD' ? content : content.subarray(Number(from), Number(to) + 1);
    response.writeHead(method === 'HEAD' ? 200 : 206, {
      'content-length': piece.length,
      'last-modified': 'Thu, 01 Jan 1970 00:00:05 GMT',
    });
    response.end(piece);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const output = await useExample(t, 'http-fs.js', {
    words: (dir) => [dir, `${base}/one`, `${base}/two?x`],
    script: 'stat -c "%n %s %Y" *; tail -c 9 one; echo; cmp one two && echo same',
    end: 'umount .',
  });
  const tail = content.toString('latin1', content.length - 9);
  assert.match(
    output,
    new RegExp(`^one 300000 5\ntwo 300000 5\n${tail}\nsame\nexit 0\noperation `),
  );
  assert.match(output, /^read +\d+ +0 /m);
});

test('examples/library/build-image.js builds an image', (t) => {
  if (!requires(t, 'fuse', 'program:unshare')) return;
  const dir = temporaryDirectory(t);
  const args = [BUILD_IMAGE, join(dir, 'store'), join(dir, 'layout')];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^sha256:[0-9a-f]{64} .*COPY hello-fs\.js \//);
  assert.ok(existsSync(join(dir, 'layout/index.json')));
});
