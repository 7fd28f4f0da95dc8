import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { requires } from '../src/testing/requires.js';
import { diffSnapshots, snapshotTree } from '../src/testing/tree-snapshot.js';
import { tsbuildOk } from '../src/testing/tsbuild.js';

/**
 * The acid test: a Debian base from the mirror, `apt-get install` in the FUSE overlay, and
 * other people's tools (umoci, skopeo, podman, crun) as judges of the image.
 */
const NEEDS = ['root', 'fuse', 'program:mmdebstrap', 'program:umoci', 'program:crun'] as const;

const BUILDFILE = `FROM debian:bookworm
RUN apt-get update && apt-get install -y --no-install-recommends file gcc libc6-dev
COPY hello.c /src/
RUN gcc -o /usr/local/bin/hello /src/hello.c && hello && rm /src/hello.c \\
 && ln /usr/local/bin/hello /usr/local/bin/hallo && mv /usr/share/doc /usr/share/docs
RUN mv /usr/share/docs /usr/share/doc && chown -R games:games /src
CMD ["hello"]
`;
/** Of fixtures/projects, the small ones; `npm run projects` builds all. */
const PROJECTS = join(import.meta.dirname, '../../fixtures/projects');
const SMALL_PROJECTS = ['memcached', 'haproxy'];
const HELLO_C = `#include <stdio.h>
int main(void) { puts("hello from C"); return 0; }
`;

/** Runs `script` in the rootfs of an unpacked bundle under crun, and returns what it prints. */
function runUnderCrun(bundle: string, script: string): string {
  const configPath = join(bundle, 'config.json');
  const config = JSON.parse(readFileSync(configPath, 'utf8')) as {
    process: { terminal: boolean; args: string[] };
    linux: { resources?: unknown; namespaces: { type: string }[] };
    mounts: { type: string }[];
  };
  config.process.terminal = false;
  config.process.args = ['/bin/sh', '-c', script];
  delete config.linux.resources;
  config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== 'cgroup');
  config.mounts = config.mounts.filter(({ type }) => type !== 'cgroup');
  writeFileSync(configPath, JSON.stringify(config));
  // crun refuses cgroups of both versions at once: hide the second in a private namespace.
  const inPrivate = `umount /sys/fs/cgroup/unified 2>/dev/null
    exec crun --cgroup-manager=disabled run -b "$1" "tsbuild-test-$$"`;
  return execFileSync('unshare', ['-m', 'sh', '-c', inPrivate, 'sh', bundle], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

describe('a Debian image', () => {
  const dir = mkdtempSync(join(tmpdir(), 'tsbuild-debian-'));
  const root = join(dir, 'store');
  const context = join(dir, 'context');
  const options = { root };
  let isReady = false;

  before(async (t) => {
    if (!requires(t as never, ...NEEDS)) return;
    mkdirSync(context);
    writeFileSync(join(context, 'Buildfile'), BUILDFILE);
    writeFileSync(join(context, 'hello.c'), HELLO_C);
    await tsbuildOk(['bootstrap', 'debian:bookworm'], options);
    const outputs = ['oci', 'oci-archive', 'docker'].flatMap((type) => [
      '-o',
      `type=${type},dest=${join(dir, type)}`,
    ]);
    const args = ['build', '--progress', 'plain', '-t', 'acid', ...outputs, context];
    await tsbuildOk(args, options);
    isReady = true;
  });

  after(() => {
    rmSync(dir, { recursive: true, force: true });
  });

  test('unpacks to the same tree with umoci and with tsbuild', async (t) => {
    if (!requires(t, ...NEEDS)) return;
    assert.ok(isReady);
    execFileSync('umoci', ['unpack', '--image', `${join(dir, 'oci')}:latest`, join(dir, 'bundle')]);
    await tsbuildOk(['unpack', 'acid', join(dir, 'tree')], options);
    const theirs = snapshotTree(join(dir, 'bundle', 'rootfs'), { nanoseconds: true });
    const ours = snapshotTree(join(dir, 'tree'), { nanoseconds: true });
    assert.ok(theirs.size > 5000, `${theirs.size} files`);
    assert.deepEqual(diffSnapshots(theirs, ours), []);
  });

  test('is whole under crun: dpkg finds nothing changed, programs run', (t) => {
    if (!requires(t, ...NEEDS)) return;
    const script =
      'dpkg --verify && gcc --version | head -n1 && hallo && stat -c %h /usr/local/bin/hello';
    const output = runUnderCrun(join(dir, 'bundle'), script);
    assert.match(output, /^gcc .*\nhello from C\n2\n$/);
  });

  test('is accepted by skopeo in every archive format', (t) => {
    if (!requires(t, ...NEEDS, 'program:skopeo')) return;
    for (const source of [
      `oci:${join(dir, 'oci')}:latest`,
      `oci-archive:${join(dir, 'oci-archive')}`,
      `docker-archive:${join(dir, 'docker')}`,
    ]) {
      const text = execFileSync('skopeo', ['inspect', source], { encoding: 'utf8' });
      const { Layers } = JSON.parse(text) as { Layers: string[] };
      assert.equal(Layers.length, 5, source);
    }
  });

  for (const name of SMALL_PROJECTS) {
    test(`is the base of ${name}, which passes its smoke test`, async (t) => {
      if (!requires(t, ...NEEDS)) return;
      const project = join(PROJECTS, name);
      const file = join(project, 'Buildfile');
      await tsbuildOk(['build', '-f', file, '-t', name, join(project, 'context')], options);
      const words = readFileSync(join(project, 'smoke'), 'utf8').trim().split('\n');
      const [program = '', ...rest] = words;
      await tsbuildOk(['run', '--entrypoint', program, name, ...rest], options);
    });
  }

  test('is loaded by podman', (t) => {
    if (!requires(t, ...NEEDS, 'program:podman')) return;
    const storage = ['--root', join(dir, 'podman'), '--runroot', join(dir, 'podman-run')];
    for (const archive of ['oci-archive', 'docker']) {
      const args = [...storage, '--storage-driver', 'vfs', 'load', '-q', '-i', join(dir, archive)];
      const output = execFileSync('podman', args, { encoding: 'utf8' });
      assert.match(output, /Loaded image/);
    }
  });
});
