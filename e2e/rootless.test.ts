import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { requires } from '../src/testing/requires.js';
import { tsbuildOk } from '../src/testing/tsbuild.js';
import { ensureTestUser } from '../src/testing/user.js';

/** The same build as root and as an ordinary user, and twice: the same bytes. */
const NEEDS = ['root', 'fuse', 'program:mmdebstrap', 'program:newuidmap'] as const;

const EPOCH = '1700000000';
const BUILDFILE = `FROM debian:bookworm
COPY --chown=games:users --chmod=640 data /srv/
RUN --network=none set -e; \\
  useradd -m tester; su tester -c 'echo mine > ~/file'; \\
  cp /bin/true /usr/local/bin/capable; chmod 4755 /usr/local/bin/capable; \\
  cp -p /bin/false /usr/local/bin/pinger; setcap cap_net_raw+ep /usr/local/bin/pinger; \\
  ln /usr/local/bin/capable /usr/local/bin/same; mkfifo /srv/fifo; \\
  chown 1234:4321 /srv/data; chown -h games /bin/sh; \\
  mv /usr/share/doc /usr/share/moved; rm -rf /usr/share/locale; \\
  mkdir /srv/sticky /srv/sgid; chmod 1777 /srv/sticky; chmod 2775 /srv/sgid; \\
  find / -xdev -newer /srv/data -name '*.log' -delete; rm -f /etc/*- /var/lib/dpkg/*-old
USER tester:users
RUN --network=none id > ~/id && umask > ~/umask
`;

describe('the same build', () => {
  const dir = mkdtempSync(join(tmpdir(), 'tsbuild-rootless-'));
  const context = join(dir, 'context');
  const base = join(dir, 'base.tar');
  chmodSync(dir, 0o755);
  mkdirSync(context);
  writeFileSync(join(context, 'Buildfile'), BUILDFILE);
  writeFileSync(join(context, 'data'), 'data\n');
  after(() => rmSync(dir, { recursive: true, force: true }));

  /** Builds in a store of its own, and returns the manifest's digest of the archive. */
  const buildIn = async (name: string, user?: string): Promise<string[]> => {
    const root = join(dir, name);
    mkdirSync(root);
    if (user !== undefined) execFileSync('chown', [user, root]);
    const options = {
      root: join(root, 'store'),
      env: { SOURCE_DATE_EPOCH: EPOCH, ...(user !== undefined && { HOME: root }) },
      ...(user !== undefined && { user }),
    };
    const metadata = join(root, 'metadata.json');
    const output = `type=oci-archive,dest=${join(root, 'image.tar')}`;
    await tsbuildOk(['pull', `oci-archive:${base}`, '-t', 'debian:bookworm'], options);
    const args = ['build', '-t', 'same', '-o', output, '--metadata-file', metadata, context];
    await tsbuildOk(args, options);
    const text = await tsbuildOk(['inspect', 'same'], options);
    return (JSON.parse(text) as { manifest: { layers: { digest: string }[] } }).manifest.layers.map(
      ({ digest }) => digest,
    );
  };

  test('gives the same layers as root, again as root, and as an ordinary user', async (t) => {
    if (!requires(t, ...NEEDS)) return;
    const store = { root: join(dir, 'bootstrap') };
    await tsbuildOk(['bootstrap', 'debian:bookworm', '--include', 'libcap2-bin'], store);
    const save = join(dir, 'save');
    mkdirSync(save);
    writeFileSync(join(save, 'Buildfile'), 'FROM debian:bookworm\n');
    await tsbuildOk(['build', '-o', `type=oci-archive,dest=${base}`, save], store);
    chmodSync(base, 0o644);

    const asRoot = await buildIn('root');
    assert.equal(asRoot.length, 4);
    assert.deepEqual(await buildIn('again'), asRoot);
    assert.deepEqual(await buildIn('user', ensureTestUser().name), asRoot);
  });
});
