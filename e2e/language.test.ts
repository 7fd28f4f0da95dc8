import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { lutimesSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { assertGolden } from '../src/testing/golden.js';
import type { ImageFacts } from '../src/testing/image-report.js';
import { readImage, reportImage } from '../src/testing/image-report.js';
import { TYPE } from '../src/tar/header.js';
import { requires } from '../src/testing/requires.js';
import { archive } from '../src/testing/tar-archive.js';
import { tsbuildOk } from '../src/testing/tsbuild.js';

/**
 * The Buildfile language, carried out: each fixture's Buildfile is built on an image of busybox,
 * from one context; `image.txt` is what the image has over its base. `args.json`: more arguments
 * of the command line.
 */
const NEEDS = ['root', 'fuse', 'program:busybox'] as const;
const FIXTURES = join(import.meta.dirname, '../../fixtures/build');
const CASES = readdirSync(FIXTURES).filter((name) => name !== 'base');

/** Makes all times the same ones, but those before it. */
const EPOCH = '1700000000';
const FILE_TIME = 1_600_000_000;

/** The context: content and mode by path. */
const FILES: Readonly<Record<string, readonly [content: string, mode?: number]>> = {
  'a.txt': ['a\n'],
  'b.txt': ['b\n'],
  'run.sh': ['#!/bin/sh\n', 0o755],
  secret: ['secret\n', 0o400],
  'dir/one': ['1\n'],
  'dir/.hidden': ['hidden\n'],
  'dir/sub/two': ['2\n', 0o600],
  'dir/sub/three': ['3\n'],
  'other/z.go': ['go\n'],
  'other/y.md': ['md\n'],
  'a dir/a file': ['blank\n'],
};
const LINKS: Readonly<Record<string, string>> = {
  'dir/link': 'sub/two',
  tofile: 'a.txt',
  todir: 'dir',
};
/** Not the same on every machine: busybox and its applets. */
const EXCLUDED = ['bin'];
/** Builds at once, in one store. */
const CONCURRENCY = 3;

const TIMES = { mtime: 1_500_000_000 };
const ARCHIVE = archive([
  { name: 'td/', typeflag: TYPE.directory, mode: 0o750, uid: 3, gid: 4, ...TIMES },
  { name: 'td/f', data: 'f\n', mode: 0o4755, uid: 5, gid: 6, ...TIMES },
  { name: 'td/sym', typeflag: TYPE.symlink, linkname: 'f', mode: 0o777, ...TIMES },
  { name: 'td/hard', typeflag: TYPE.link, linkname: 'td/f', ...TIMES },
  { name: 'implied/x/y', data: 'y\n', ...TIMES },
]);

function makeContext(context: string): void {
  for (const name of ['dir/sub', 'dir/empty', 'other', 'a dir']) {
    mkdirSync(join(context, name), { recursive: true });
  }
  for (const [name, [content, mode = 0o644]] of Object.entries(FILES)) {
    writeFileSync(join(context, name), content);
    chmodSync(join(context, name), mode);
  }
  for (const [name, target] of Object.entries(LINKS)) symlinkSync(target, join(context, name));
  writeFileSync(join(context, 'archive.tar'), ARCHIVE);
  const dirs = ['dir/empty', 'dir/sub', 'dir', 'other', 'a dir'];
  for (const dir of dirs) chmodSync(join(context, dir), 0o755);
  for (const name of [...Object.keys(FILES), ...Object.keys(LINKS), ...dirs, 'archive.tar', '.']) {
    lutimesSync(join(context, name), FILE_TIME, FILE_TIME);
  }
}

describe('the language', { concurrency: CONCURRENCY }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'tsbuild-language-'));
  const root = join(dir, 'store');
  const context = join(dir, 'context');
  let base: ImageFacts | undefined;
  after(() => rmSync(dir, { recursive: true, force: true }));

  const build = async (name: string, args: readonly string[] = []): Promise<ImageFacts> => {
    const [layout, tree] = [join(dir, name, 'layout'), join(dir, name, 'tree')];
    mkdirSync(join(dir, name));
    const outputs = ['-o', `type=oci,dest=${layout}`, '-o', `type=local,dest=${tree}`];
    const file = join(FIXTURES, name, 'Buildfile');
    await tsbuildOk(['build', '-f', file, '-t', name, ...outputs, ...args, context], {
      root,
      env: { SOURCE_DATE_EPOCH: EPOCH },
    });
    return await readImage({ layout, tree }, EXCLUDED);
  };

  before(async () => {
    mkdirSync(context);
    if (!existsSync('/bin/busybox')) return;
    copyFileSync('/bin/busybox', join(context, 'busybox'));
    base = await build('base');
    rmSync(join(context, 'busybox'));
    makeContext(context);
  });

  for (const name of CASES) {
    test(`fixtures/build/${name}`, async (t) => {
      if (!requires(t, ...NEEDS) || base === undefined) return;
      const argsFile = join(FIXTURES, name, 'args.json');
      const args = existsSync(argsFile)
        ? (JSON.parse(readFileSync(argsFile, 'utf8')) as string[])
        : [];
      const report = reportImage(await build(name, args), base);
      assertGolden(join(FIXTURES, name, 'image.txt'), report);
    });
  }
});
