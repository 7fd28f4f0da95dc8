import assert from 'node:assert/strict';
import test from 'node:test';
import { parseReference } from '../oci/reference.js';
import { UserError } from '../util/errors.js';
import { formatOneLine, parseDeb822Sources, parseOneLineSources } from './apt-sources.js';
import { chooseArchives } from './archives.js';
import { parseDistribution } from './distribution.js';

const HOSTS: Readonly<Record<string, string>> = {
  none: '',
  debian: `deb http://mirror.example/debian bookworm main
deb http://mirror.example/debian bookworm-updates main
deb http://security.example/debian-security bookworm-security main`,
  plain: 'deb http://mirror.example/debian/ stable main',
  others: `deb https://download.docker.example/linux/debian bookworm stable
deb https://packages.vendor.example/debian/12/prod bookworm main
deb http://user:secret@mirror.example/debian bookworm main
deb cdrom:[Debian]/ bookworm main
deb file:/srv/debian bookworm main`,
  signed: `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] https://repo.example/artifactory/deb bookworm main`,
  ubuntu: 'deb http://archive.ubuntu.com/ubuntu jammy main universe',
  snapshot: 'deb http://snapshot.debian.org/archive/debian/20250520T000000Z bookworm main',
};

const CASES: readonly (readonly [
  name: string,
  host: string,
  mirror: string | undefined,
  lines: readonly string[],
])[] = [
  [
    'debian:bookworm',
    'debian',
    undefined,
    [
      'deb http://mirror.example/debian bookworm main',
      'deb http://mirror.example/debian bookworm-updates main',
      'deb http://security.example/debian-security bookworm-security main',
    ],
  ],
  [
    'debian:13',
    'debian',
    undefined,
    [
      'deb http://mirror.example/debian trixie main',
      'deb http://mirror.example/debian trixie-updates main',
      'deb http://security.example/debian-security trixie-security main',
    ],
  ],
  [
    'debian:buster',
    'debian',
    undefined,
    [
      'deb http://mirror.example/debian buster main',
      'deb http://mirror.example/debian buster-updates main',
      'deb http://security.example/debian-security buster/updates main',
    ],
  ],
  ['debian:sid', 'debian', undefined, ['deb http://mirror.example/debian sid main']],
  ['debian:bookworm', 'plain', undefined, ['deb http://mirror.example/debian/ bookworm main']],
  [
    'debian:bookworm',
    'signed',
    undefined,
    ['deb https://repo.example/artifactory/deb bookworm main'],
  ],
  [
    'debian:bookworm',
    'snapshot',
    undefined,
    ['deb http://snapshot.debian.org/archive/debian/20250520T000000Z bookworm main'],
  ],
  ...(['none', 'others', 'ubuntu'] as const).map(
    (host) =>
      [
        'debian:bookworm',
        host,
        undefined,
        [
          'deb http://deb.debian.org/debian bookworm main',
          'deb http://deb.debian.org/debian bookworm-updates main',
          'deb http://deb.debian.org/debian-security bookworm-security main',
        ],
      ] as const,
  ),
  ['debian:bookworm', 'debian', 'http://m.example/d', ['deb http://m.example/d bookworm main']],
  ['debian:zurg', 'none', 'http://m.example/d', ['deb http://m.example/d zurg main']],
  ['ubuntu:24.04', 'none', 'http://m.example/u', ['deb http://m.example/u noble main universe']],
];

for (const [name, host, mirror, lines] of CASES) {
  test(`chooseArchives() for ${name} on host "${host}", mirror ${mirror ?? 'none'}`, () => {
    const distribution = parseDistribution(parseReference(name), {
      hasMirror: mirror !== undefined,
    });
    const hostSources = parseOneLineSources(HOSTS[host] ?? '');
    const archives = chooseArchives({ distribution, mirror, hostSources });
    assert.deepEqual(archives.flatMap(formatOneLine), lines);
  });
}

test('chooseArchives() understands the deb822 sources of a debian container', () => {
  const hostSources = parseDeb822Sources(`Types: deb
# http://snapshot.debian.org/archive/debian/20250520T000000Z
URIs: http://deb.debian.org/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://deb.debian.org/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
`);
  const distribution = { name: 'debian', suite: 'bookworm' } as const;
  assert.deepEqual(chooseArchives({ distribution, mirror: undefined, hostSources }), [
    {
      uris: ['http://deb.debian.org/debian'],
      suites: ['bookworm', 'bookworm-updates'],
      components: ['main'],
    },
    {
      uris: ['http://deb.debian.org/debian-security'],
      suites: ['bookworm-security'],
      components: ['main'],
    },
  ]);
});

const REFUSED: readonly (readonly [name: string, message: string, hint: RegExp])[] = [
  ['debian', 'Cannot bootstrap "debian": it names no suite', /debian:bookworm/],
  [
    'debian:bokworm',
    'Cannot bootstrap "debian:bokworm": there is no suite "bokworm"',
    /bookworm\?/,
  ],
  ['debian:99', 'Cannot bootstrap "debian:99": there is no suite "99"', /Write one of .*trixie/],
  ['debian:toString', 'Cannot bootstrap "debian:toString": there is no suite "toString"', /./],
  [
    'ubuntu:24.04',
    'Cannot bootstrap "ubuntu:24.04": it is not in a Debian mirror',
    /^--mirror http/,
  ],
  ['alpine:3', 'Cannot bootstrap "alpine:3": it is not a distribution', /debian:SUITE/],
  ['me/debian:sid', 'Cannot bootstrap "me/debian:sid": it is not a distribution', /--tag/],
];

for (const [name, message, hint] of REFUSED) {
  test(`parseDistribution() refuses ${name}`, () => {
    assert.throws(
      () => parseDistribution(parseReference(name), { hasMirror: false }),
      (error) => {
        assert.ok(error instanceof UserError);
        assert.equal(error.code, 'TSB_BOOTSTRAP');
        assert.equal(error.message, message);
        assert.match(error.hint ?? '', hint);
        return true;
      },
    );
  });
}
