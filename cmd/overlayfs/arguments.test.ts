import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { UserError } from '../../src/util/errors.js';
import { parseArguments, type Request } from './arguments.js';
import { helpText } from './help.js';
import { OPTIONS, type OptionSpec } from './options.js';

const README = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
const TABLE = readFileSync(new URL('../../../docs/overlayfs.md', import.meta.url), 'utf8');

function mount(...argv: string[]): Extract<Request, { kind: 'mount' }> {
  const request = parseArguments(argv, true);
  assert(request.kind === 'mount', 'a mount is asked for');
  return request;
}

test('parseArguments() understands directories, escapes and several -o', () => {
  const { settings, mountpoint, isForeground, warnings } = mount(
    ...['-o', 'lowerdir=/a:/b\\:c:/d\\,e,ro', '-oupperdir=/u\\,1', '-f', '-o', 'workdir=/w,rw'],
    '/mnt',
  );
  assert.deepEqual(settings.lowerdirs, ['/a', '/b:c', '/d,e']);
  assert.equal(settings.upperdir, '/u,1');
  assert.equal(settings.workdir, '/w');
  assert.equal(settings.readOnly, false);
  assert.equal(mountpoint, '/mnt');
  assert.equal(isForeground, true);
  assert.deepEqual(warnings, []);
});

test('parseArguments() takes a source before the mount point, as mount(8) gives it', () => {
  const { settings, mountpoint } = mount('none', '/mnt', '-o', 'lowerdir=/a,dev,suid');
  assert.equal(settings.fsname, 'none');
  assert.equal(mountpoint, '/mnt');
});

test('parseArguments() opens devices for root only, unless told', () => {
  assert.equal(mount('-o', 'lowerdir=/a', '/m').settings.dev, true);
  assert.equal(mount('-o', 'lowerdir=/a,nodev', '/m').settings.dev, false);
  const request = parseArguments(['-o', 'lowerdir=/a', '/m'], false);
  assert(request.kind === 'mount' && !request.settings.dev);
});

test('parseArguments() maps and squashes owners', () => {
  const { owners } = mount(
    '-o',
    'lowerdir=/a,uidmapping=0:1000:1:1:5000:10,squash_to_gid=3',
    '/m',
  ).settings;
  assert.deepEqual(owners.uids, [
    { stored: 0, shown: 1000, length: 1 },
    { stored: 1, shown: 5000, length: 10 },
  ]);
  assert.equal(owners.squashUid, undefined);
  assert.equal(owners.squashGid, 3);
});

test('parseArguments() warns of what does nothing here', () => {
  const { warnings } = mount('-o', 'lowerdir=/a,xino=on,noatime,x-systemd.automount', '/m');
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? '', /"xino" does nothing here/);
});

for (const [options, isWarned] of [
  ['rw', true],
  ['ro,rw', true],
  ['rw,ro', false],
  ['rw,upperdir=/u,workdir=/w', false],
] as const) {
  test(`parseArguments() tells whether ${options} can be obeyed`, () => {
    const { warnings } = mount('-o', `lowerdir=/a,${options}`, '/m');
    const want = 'Option "rw" does nothing here: without upperdir the mount is read-only';
    assert.deepEqual(warnings, isWarned ? [want] : []);
  });
}

for (const [argv, kind] of [
  [['--help'], 'help'],
  [['-V'], 'version'],
  [['--wait', '/u'], 'wait'],
  [['--wait=/u'], 'wait'],
] as const) {
  test(`parseArguments() of ${argv.join(' ')} asks for ${kind}`, () => {
    assert.equal(parseArguments(argv, true).kind, kind);
  });
}

for (const [argv, want] of [
  [[], /no mount point/],
  [['/m'], /want -o lowerdir/],
  [['-o', 'lowerdir=/a,upperdir=/u', '/m'], /upperdir without workdir/],
  [['-o', 'lowerdir=/a,workdir=/w', '/m'], /workdir without upperdir/],
  [['-o', 'lowerdir=/a,upperdir=,workdir=/w', '/m'], /"upperdir": found no value/],
  [['-o', 'lowerdir=/a', ''], /no mount point/],
  [['-o', 'lowerdir=/a', 'none', ''], /no mount point/],
  [['--wait='], /found no upper directory/],
  [['-o', 'lowerdir=/a,xattr_permissions=1.5', '/m'], /want a whole number from 0 to 2/],
  [['-o', 'lowerdir=/a,timeout=1e3', '/m'], /want seconds/],
  [['-o', 'lowrdir=/a', '/m'], /"lowrdir": there is no such option/],
  [['-o', 'lowerdir', '/m'], /found no value/],
  [['-o', 'lowerdir=/a,ro=1', '/m'], /found a value/],
  [['-o', 'lowerdir=/a::/b', '/m'], /data-only/],
  [['-o', 'lowerdir=/a,uidmapping=1:2', '/m'], /want DISK:SHOWN:COUNT/],
  [['-o', 'lowerdir=/a,noxattrs=2', '/m'], /want a whole number from 0 to 1/],
  [['-o', 'lowerdir=/a', '/m', '/n', '/o'], /too many/],
  [['-x', '/m'], /no such flag/],
  [['--wait', '/u', '/m'], /"\/m" with --wait/],
  [['-o', 'ro', '--wait=/u'], /"ro" with --wait/],
  [['/m', '-o'], /found no value behind it/],
] as const) {
  test(`parseArguments() refuses ${argv.join(' ')}`, () => {
    const isMeant = (error: unknown): boolean =>
      error instanceof UserError && error.code === 'TSB_USAGE' && want.test(error.message);
    assert.throws(() => parseArguments(argv, true), isMeant);
  });
}

const [, SECTION = ''] = README.split('## The overlay as a command');
const [DONE = '', WARNED = ''] = SECTION.split('Accepted with a warning');

for (const [name, { value, does, apply, isSilent }] of Object.entries<OptionSpec>(OPTIONS)) {
  const isWarned = apply === undefined && isSilent !== true;
  test(`help, docs and README tell what option ${name} does`, () => {
    assert.ok(helpText().includes(does));
    const typed = value === 'required' ? `${name}=…` : name;
    const row = TABLE.split('\n').find((line) => line.startsWith(`| \`${typed}\` `));
    const effect = isWarned ? 'a warning: ' : '';
    assert.ok(row?.includes(`${effect}${does.replaceAll('|', '\\|')}`), `want a row for ${name}`);
    if (isSilent !== true) assert.ok((isWarned ? WARNED : DONE).includes(`\`${name}\``));
  });
}
