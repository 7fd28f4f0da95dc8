import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { after, before, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { digestOf } from '../oci/digest.js';
import { encodeJson } from '../oci/json.js';
import { LAYOUT } from '../oci/layout.js';
import { MEDIA_TYPE } from '../oci/media-types.js';
import { hostPlatform } from '../oci/platform.js';
import { parseReference } from '../oci/reference.js';
import type { ImageRecord } from '../store/images.js';
import type { StoredImage } from '../store/stored-image.js';
import { Store } from '../store/store.js';
import { requires } from '../testing/requires.js';
import { sampleImage } from '../testing/sample-image.js';
import { archive, type ArchiveEntry } from '../testing/tar-archive.js';
import { importImage, type FileImageSource } from './import-image.js';
import { parseOutputSpec } from './output-spec.js';
import { unpackImage, writeOutput, type OutputResult } from './write-output.js';

const temp = fs.mkdtempSync(path.join(tmpdir(), 'tsbuild-output-'));
const CAPABILITY = Buffer.from('0100000200200000000000000000000000000000', 'hex');

const BASE: readonly ArchiveEntry[] = [
  { name: 'bin/', typeflag: '5', mode: 0o755, mtime: 1000 },
  { name: 'bin/sh', data: '#!shell', mode: 0o755, mtime: 1001 },
  {
    name: 'bin/ping',
    data: 'ping',
    mode: 0o755,
    pax: { 'SCHILY.xattr.security.capability': CAPABILITY },
  },
  { name: 'etc/', typeflag: '5', mode: 0o750, uid: 5, gid: 6, mtime: 1002 },
  { name: 'etc/old', data: 'old' },
  { name: 'etc/link', typeflag: '2', linkname: '/outside', uid: 7, mtime: 1003 },
  { name: 'tmp/', typeflag: '5', mode: 0o1777 },
];
const UPPER: readonly ArchiveEntry[] = [
  { name: './', typeflag: '5', mode: 0o755, mtime: 1004 },
  { name: 'etc/', typeflag: '5', mode: 0o555, uid: 5, gid: 6, mtime: 1005 },
  { name: 'etc/.wh.old' },
  {
    name: 'etc/new',
    data: 'n'.repeat(2_000_000),
    uid: 70000,
    gid: 8,
    mode: 0o4711,
    pax: { mtime: '1006.5' },
  },
  { name: 'etc/hard', typeflag: '1', linkname: 'etc/new' },
  { name: 'etc/null', typeflag: '3', mode: 0o666, devmajor: 1, devminor: 3 },
  { name: 'etc/fifo', typeflag: '6', mode: 0o622 },
];

let store: Store;
let record: ImageRecord;
let image: StoredImage;
const pulledBlob = gzipSync(archive(BASE));

before(async () => {
  store = await Store.open(path.join(temp, 'store'));
  const blob = await store.blobs.writeBytes(pulledBlob);
  const base = {
    descriptor: { mediaType: MEDIA_TYPE.dockerLayerGzip, ...blob },
    diffId: digestOf(archive(BASE)),
  };
  record = await sampleImage(store, [UPPER], [base]);
  image = await store.loadImage(record);
});
after(() => {
  store[Symbol.dispose]();
  fs.rmSync(temp, { recursive: true });
});

let names = 0;
function fresh(): string {
  return path.join(temp, `out-${names++}`);
}

async function write(spec: string, dest = fresh()): Promise<OutputResult & { dest: string }> {
  const tags = [parseReference('example.com/app:1')];
  return await writeOutput(parseOutputSpec(`${spec},dest=${dest}`), image, store, { tags });
}

/** Takes an output into another store and compares its layers. */
async function roundTrip(source: FileImageSource): Promise<void> {
  using other = await Store.open(fresh());
  const taken = await importImage(other, source, { platform: hostPlatform() });
  const found = await other.loadImage(taken);
  assert.deepEqual(found.config, image.config);
  assert.deepEqual(
    found.layers.map(({ diffId }) => diffId),
    image.layers.map(({ diffId }) => diffId),
  );
  const dir = fresh();
  await unpackImage(found, dir, other, { privileged: false });
  assert.equal(fs.readFileSync(path.join(dir, 'bin/sh'), 'utf8'), '#!shell');
  assert(!fs.existsSync(path.join(dir, 'etc/old')));
}

test('an OCI layout reuses pulled blobs, and is taken in again', async () => {
  const { dest } = await write('type=oci');
  const hex = digestOf(pulledBlob).slice('sha256:'.length);
  assert.deepEqual(fs.readFileSync(path.join(dest, LAYOUT.blobs, hex)), pulledBlob);
  await roundTrip({ kind: 'oci', dir: dest, tag: '1' });
  await roundTrip({ kind: 'oci', dir: dest });
});

test('an OCI layout is added to, and its names move', async () => {
  const { dest } = await write('type=oci');
  await write('type=oci,name=example.com/app:2', dest);
  await write('type=oci', dest);
  const index = JSON.parse(fs.readFileSync(path.join(dest, LAYOUT.index), 'utf8')) as {
    manifests: unknown[];
  };
  assert.equal(index.manifests.length, 2);
  const left = execFileSync('find', [dest, '-name', '*.tmp']).toString();
  assert.equal(left, '');
});

for (const spec of ['', ',compression=uncompressed', ',compression-level=1']) {
  test(`an OCI archive is taken in again${spec}`, async () => {
    const { dest } = await write(`type=oci-archive${spec}`);
    await roundTrip({ kind: 'oci-archive', file: dest });
  });
}

test('a docker archive is taken in again, also as an OCI archive', async () => {
  const { dest } = await write('type=docker');
  await roundTrip({ kind: 'docker-archive', file: dest, tag: 'example.com/app:1' });
  await roundTrip({ kind: 'oci-archive', file: dest });
});

test('the same image gives the same archive, byte for byte', async () => {
  const [one, other] = [await write('type=oci-archive'), await write('type=oci-archive')];
  assert.deepEqual(fs.readFileSync(one.dest), fs.readFileSync(other.dest));
});

function needs(t: TestContext, ...programs: string[]): boolean {
  return requires(t, ...programs.map((name) => `program:${name}` as const));
}

test('skopeo reads the layout and the archives', async (t) => {
  if (!needs(t, 'skopeo')) return;
  for (const [spec, transport, tag] of [
    ['type=oci', 'oci', ':1'],
    ['type=oci-archive', 'oci-archive', ''],
    ['type=docker', 'docker-archive', ''],
  ] as const) {
    const { dest } = await write(spec);
    const inspected = execFileSync('skopeo', ['inspect', `${transport}:${dest}${tag}`]).toString();
    assert.match(inspected, /"Layers"/, transport);
    const copied = fresh();
    const args = ['copy', '--quiet', '--insecure-policy', `${transport}:${dest}${tag}`];
    execFileSync('skopeo', [...args, `oci:${copied}:copy`]);
    await roundTrip({ kind: 'oci', dir: copied, tag: 'copy' });
    const saved = fresh();
    execFileSync('skopeo', [...args, `docker-archive:${saved}:app:saved`]);
    await roundTrip({ kind: 'docker-archive', file: saved, tag: 'app:saved' });
  }
});

/** What tells two trees apart. */
function listing(dir: string): string {
  const format = '%P %y %m %U %G %s %T@ %n %l\\n';
  const output = execFileSync('find', [dir, '-mindepth', '1', '-printf', format]).toString();
  return output
    .split('\n')
    .map((line) => line.replace(/^(\S+ d \S+ \S+ \S+) \d+/, '$1'))
    .map((line) => line.replace(/ \d+ (\S*)$/, ' $1'))
    .sort()
    .join('\n');
}

test('umoci unpacks the layout to the same tree as we do', async (t) => {
  if (!requires(t, 'root', 'program:umoci')) return;
  const { dest } = await write('type=oci');
  const bundle = fresh();
  execFileSync('umoci', ['unpack', '--image', `${dest}:1`, bundle]);
  const ours = fresh();
  assert.deepEqual(await unpackImage(image, ours, store), []);
  assert.equal(listing(ours), listing(path.join(bundle, 'rootfs')));
});

test('as root, local files are what the image says', async (t) => {
  if (!requires(t, 'root')) return;
  const dir = fresh();
  fs.mkdirSync(dir);
  const { warnings } = await write('type=local', dir);
  assert.deepEqual(warnings, []);
  const stat = fs.lstatSync(path.join(dir, 'etc/new'), { bigint: true });
  assert.deepEqual([stat.uid, stat.gid, stat.mode, stat.nlink], [70000n, 8n, 0o104711n, 2n]);
  assert.equal(stat.mtimeNs, 1_006_500_000_000n);
  assert.equal(stat.ino, fs.lstatSync(path.join(dir, 'etc/hard'), { bigint: true }).ino);
  assert.equal(fs.lstatSync(path.join(dir, 'etc')).mode, 0o040555);
  assert.equal(fs.lstatSync(path.join(dir, 'etc/link')).uid, 7);
  assert.equal(fs.readlinkSync(path.join(dir, 'etc/link')), '/outside');
  assert(fs.lstatSync(path.join(dir, 'etc/null')).isCharacterDevice());
  const xattr = 'import os,sys; print(os.getxattr(sys.argv[1], "security.capability").hex())';
  if (!needs(t, 'python3')) return;
  const value = execFileSync('python3', ['-c', xattr, path.join(dir, 'bin/ping')]).toString();
  assert.equal(value.trim(), CAPABILITY.toString('hex'));
});

test('without privileges, files are the caller’s, and the rest is named', (t) => {
  if (!requires(t, 'root', 'program:setpriv')) return;
  const dir = fresh();
  const modules = ['../store/store.js', 'write-output.js', '../sys/process.js'];
  const [storeModule, outputModule] = modules.map((name) => new URL(name, import.meta.url).href);
  const home = fresh();
  fs.mkdirSync(home);
  fs.chmodSync(temp, 0o711);
  execFileSync('cp', ['-a', path.join(temp, 'store'), path.join(home, 'store')]);
  execFileSync('chown', ['-R', '1234:1234', home]);
  const script = `
    import { Store } from ${JSON.stringify(storeModule)};
    import { unpackImage } from ${JSON.stringify(outputModule)};
    const store = await Store.open(process.argv[1] + '/store');
    const image = await store.loadImage(${JSON.stringify(record)});
    console.log(JSON.stringify(await unpackImage(image, process.argv[1] + '/files', store)));`;
  const output = execFileSync('setpriv', [
    ...['--reuid=1234', '--regid=1234', '--clear-groups', '--bounding-set=-all'],
    ...[process.execPath, '--input-type=module', '-e', script, home],
  ]);
  const warnings = JSON.parse(output.toString()) as string[];
  assert.equal(warnings.length, 2);
  assert.match(warnings.join('\n'), /cannot make special files: etc\/null/);
  assert.match(warnings.join('\n'), /cannot set security\.capability \(.*\): bin\/ping/);
  const stat = fs.lstatSync(path.join(home, 'files/etc/new'));
  assert.deepEqual([stat.uid, stat.gid, stat.nlink], [1234, 1234, 2]);
  assert(fs.lstatSync(path.join(home, 'files/etc/fifo')).isFIFO());
  assert(!fs.existsSync(dir));
});

test('a local output refuses what is there, and leaves it', async () => {
  const dir = fresh();
  fs.mkdirSync(dir);
  fs.writeFileSync(path.join(dir, 'mine'), 'x');
  await assert.rejects(write('type=local', dir), { code: 'TSB_OUTPUT', message: /not empty/ });
  await assert.rejects(write('type=oci', dir), { code: 'TSB_OUTPUT' });
  await assert.rejects(write('type=tar', dir), { code: 'TSB_OUTPUT' });
  await assert.rejects(write('type=tar', path.join(dir, 'no/where')), {
    code: 'TSB_OUTPUT',
    message: /where': there is no directory '.*no'$/,
  });
  assert.deepEqual(fs.readdirSync(dir), ['mine']);
});

test('a tar of the root file system is what GNU tar unpacks to the same tree', async (t) => {
  if (!requires(t, 'root', 'program:tar')) return;
  const { dest } = await write('type=tar');
  const [ours, theirs] = [fresh(), fresh()];
  fs.mkdirSync(theirs);
  execFileSync('tar', ['xpf', dest, '--numeric-owner', '-C', theirs]);
  await unpackImage(image, ours, store);
  assert.equal(listing(ours), listing(theirs));
});

test('an aborted output leaves nothing', async () => {
  for (const type of ['oci', 'oci-archive', 'docker', 'local', 'tar']) {
    const dest = fresh();
    const output = parseOutputSpec(`type=${type},dest=${dest}`);
    const signal = AbortSignal.abort();
    const written = writeOutput(output, image, store, { signal });
    await assert.rejects(written, { name: 'AbortError' });
  }
  assert.deepEqual(
    fs.readdirSync(temp).filter((name) => name.endsWith('.tmp')),
    [],
  );
});

test('a full disk is TSB_NO_SPACE, and leaves nothing', (t) => {
  if (!requires(t, 'root', 'program:unshare')) return;
  const small = fresh();
  fs.mkdirSync(small);
  const modules = ['../store/store.js', 'write-output.js', 'output-spec.js'];
  const [storeModule, outputModule, specModule] = modules.map(
    (name) => new URL(name, import.meta.url).href,
  );
  const script = `
    import fs from 'node:fs';
    import { Store } from ${JSON.stringify(storeModule)};
    import { writeOutput } from ${JSON.stringify(outputModule)};
    import { parseOutputSpec } from ${JSON.stringify(specModule)};
    const [, small, root] = process.argv;
    const store = await Store.open(root);
    const image = await store.loadImage(${JSON.stringify(record)});
    for (const type of ['oci,compression=uncompressed', 'oci-archive,compression=uncompressed',
      'docker,compression=uncompressed', 'local', 'tar']) {
      const output = parseOutputSpec('type=' + type + ',dest=' + small + '/out');
      await writeOutput(output, image, store).catch((error) => console.log(error.code));
    }
    console.log(fs.readdirSync(small).length);`;
  const output = execFileSync('unshare', [
    ...[
      '-m',
      'sh',
      '-c',
      'mount -t tmpfs -o size=1m none "$1" && exec "$3" --input-type=module -e "$4" "$1" "$2"',
    ],
    ...['sh', small, path.join(temp, 'store'), process.execPath, script],
  ]).toString();
  assert.equal(output, `${'TSB_NO_SPACE\n'.repeat(5)}0\n`);
});

const HOSTILE: readonly (readonly [sin: string, code: string, entries: readonly ArchiveEntry[]])[] =
  [
    ['no manifest', 'TSB_IMAGE_INVALID', [{ name: 'x' }]],
    ['a manifest that is no JSON', 'TSB_IMAGE_INVALID', [{ name: 'manifest.json', data: '{' }]],
    [
      'a config that is missing',
      'TSB_IMAGE_INVALID',
      [{ name: 'manifest.json', data: '[{"Config":"c","Layers":[]}]' }],
    ],
    [
      'a config that is a link out of the archive',
      'TSB_IMAGE_INVALID',
      [
        { name: 'manifest.json', data: '[{"Config":"c","Layers":[]}]' },
        { name: 'c', typeflag: '2', linkname: '../../../../etc/passwd' },
      ],
    ],
    [
      'a link to itself',
      'TSB_IMAGE_INVALID',
      [
        { name: 'manifest.json', data: '[{"Config":"c","Layers":[]}]' },
        { name: 'c', typeflag: '2', linkname: 'c' },
      ],
    ],
    [
      'a layer that is not the config’s',
      'TSB_DIGEST_MISMATCH',
      [
        { name: 'manifest.json', data: '[{"Config":"c","Layers":["l"]}]' },
        {
          name: 'c',
          data: encodeJson({
            ...hostPlatform(),
            rootfs: { type: 'layers', diff_ids: [digestOf('other')] },
          }),
        },
        { name: 'l', data: 'layer' },
      ],
    ],
  ];
for (const [sin, code, entries] of HOSTILE) {
  test(`a docker archive with ${sin} is refused`, async () => {
    const file = fresh();
    fs.writeFileSync(file, archive(entries));
    const source = { kind: 'docker-archive', file } as const;
    await assert.rejects(importImage(store, source, { platform: hostPlatform() }), { code });
  });
}

test('an archive that is a pipe or a device is refused, not waited for', async () => {
  const pipe = fresh();
  execFileSync('mkfifo', [pipe]);
  for (const file of [pipe, '/dev/zero']) {
    const source = { kind: 'oci-archive', file } as const;
    await assert.rejects(importImage(store, source, { platform: hostPlatform() }), {
      code: 'TSB_IMAGE_INVALID',
      message: /is not a regular file/,
    });
  }
});

test('a layout with a changed blob, a missing blob and a blob that is a pipe is refused', async () => {
  const platform = hostPlatform();
  const { dest } = await write('type=oci');
  const taken = async (): Promise<unknown> => {
    using other = await Store.open(fresh());
    return await importImage(other, { kind: 'oci', dir: dest }, { platform });
  };
  const blob = path.join(dest, LAYOUT.blobs, digestOf(pulledBlob).slice('sha256:'.length));
  fs.writeFileSync(blob, 'changed');
  await assert.rejects(taken(), { code: 'TSB_DIGEST_MISMATCH' });
  fs.rmSync(blob);
  await assert.rejects(taken(), { code: 'TSB_IMAGE_INVALID' });
  execFileSync('mkfifo', [blob]);
  await assert.rejects(taken(), { code: 'TSB_IMAGE_INVALID' });
  fs.rmSync(blob);
  fs.symlinkSync('/etc/passwd', blob);
  await assert.rejects(taken(), { code: 'TSB_IMAGE_INVALID' });
});

test('an image of another platform, and an archive that is not there, are refused', async () => {
  const { dest } = await write('type=oci');
  const platform = { os: 'linux', architecture: 's390x' };
  await assert.rejects(importImage(store, { kind: 'oci', dir: dest }, { platform }), {
    code: 'TSB_IMAGE_NOT_FOUND',
  });
  const source = { kind: 'oci-archive', file: path.join(temp, 'nothing') } as const;
  await assert.rejects(importImage(store, source, { platform }), { code: 'TSB_IMAGE_NOT_FOUND' });
});
