import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const MODULES = path.join(ROOT, 'node_modules');

/** A directory in which the package is installed as npm packs it, beside its dependencies. */
function install(t: test.TestContext): string {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'tsbuild-package-'));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  const modules = path.join(dir, 'node_modules');
  fs.mkdirSync(modules);
  for (const name of fs.readdirSync(MODULES)) {
    if (!name.startsWith('.')) fs.symlinkSync(path.join(MODULES, name), path.join(modules, name));
  }
  const pack = ['pack', '--silent', '--ignore-scripts', '--pack-destination', dir];
  const archive = execFileSync('npm', pack, { cwd: ROOT, encoding: 'utf8' }).trim();
  execFileSync('tar', ['xf', path.join(dir, archive), '-C', modules]);
  fs.renameSync(path.join(modules, 'package'), path.join(modules, 'tsbuild'));
  fs.writeFileSync(path.join(dir, 'package.json'), '{"type": "module"}');
  return dir;
}

test('the package, as npm packs it', async (t) => {
  const dir = install(t);
  const packed = path.join(dir, 'node_modules/tsbuild');
  await t.test('has no tests', () => {
    const names = fs.readdirSync(packed, { recursive: true, encoding: 'utf8' });
    assert.ok(names.includes('dist/src/fuse/index.js'));
    assert.deepEqual(
      names.filter((name) => /\.test\.|\.map$|dist\/(?:e2e|bench|src\/testing)/.test(name)),
      [],
    );
  });
  await t.test('has what its documents link to', () => {
    const names = fs.readdirSync(packed, { recursive: true, encoding: 'utf8' });
    const broken: string[] = [];
    for (const page of names.filter((name) => name.endsWith('.md'))) {
      const text = fs.readFileSync(path.join(packed, page), 'utf8');
      for (const [, to = ''] of text.matchAll(/\]\((?!https?:)([^)#]+)/g)) {
        if (!fs.existsSync(path.join(packed, path.dirname(page), to)))
          broken.push(`${page}: ${to}`);
      }
    }
    assert.ok(names.includes('docs/overlayfs.md'));
    assert.deepEqual(broken, []);
  });
  await t.test('can be imported', () => {
    const code = `import * as fuse from 'tsbuild/fuse'; import * as tsbuild from 'tsbuild';
      console.log(typeof fuse.mountAndServe, typeof fuse.VirtualFileSystem, typeof tsbuild.build);`;
    const args = ['--input-type=module', '-e', code];
    const output = execFileSync(process.execPath, args, { cwd: dir, encoding: 'utf8' });
    assert.equal(output, 'function function function\n');
  });
  await t.test('has the types that the examples rely on', () => {
    fs.cpSync(path.join(ROOT, 'examples/library'), path.join(dir, 'examples'), { recursive: true });
    const options = ['--allowJs', '--checkJs', '--noEmit', '--strict', '--target', 'es2022'];
    const modules = [
      '--module',
      'nodenext',
      '--types',
      'node',
      '--lib',
      'es2023,esnext.disposable',
    ];
    const examples = ['hello-fs.js', 'json-fs.js', 'http-fs.js'];
    const tsc = path.join(MODULES, 'typescript/bin/tsc');
    const { stdout, status } = spawnSync(
      process.execPath,
      [tsc, ...options, ...modules, ...examples.map((name) => path.join('examples', name))],
      { cwd: dir, encoding: 'utf8' },
    );
    assert.deepEqual([stdout, status], ['', 0]);
  });
});
