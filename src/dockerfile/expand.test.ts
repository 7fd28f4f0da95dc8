import assert from 'node:assert/strict';
import test from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { UserError } from '../util/errors.js';
import { parseBuildfile } from './buildfile.js';
import { EXPANDED_PARTS, expandInstruction } from './expand.js';
import type { Instruction } from './ast.js';

const VALUES: Readonly<Record<string, string>> = {
  abc: 'hello',
  dir: '/srv/x',
  user: 'app',
  port: '80 443/udp',
  url: 'https://example.com/',
};

function expand(line: string): Instruction {
  const [instruction] = parseBuildfile(`FROM x\n${line}`, 'f').stages[0]?.instructions ?? [];
  assert.ok(instruction);
  return expandInstruction(instruction, (name) => VALUES[name], '\\');
}

const EXPANDED: readonly (readonly [line: string, part: object])[] = [
  [
    'ENV abc=bye def=$abc',
    {
      pairs: [
        { key: 'abc', value: 'bye' },
        { key: 'def', value: 'hello' },
      ],
    },
  ],
  ['ENV k${user} "a $abc"  b', { pairs: [{ key: 'kapp', value: 'a hello  b' }] }],
  ['LABEL a="$user"', { pairs: [{ key: 'a', value: 'app' }] }],
  ['WORKDIR $dir', { path: '/srv/x' }],
  ['USER $user:${none:-staff}', { user: 'app:staff' }],
  ['STOPSIGNAL ${none:-SIGINT}', { signal: 'SIGINT' }],
  ['VOLUME $dir /b', { paths: ['/srv/x', '/b'] }],
  // What expands to nothing is the default, as in BuildKit; a lint rule names the variable.
  ['WORKDIR $none', { path: '' }],
  ['USER $none', { user: '' }],
  ['EXPOSE 8080:80 127.0.0.1:53:53/UDP [::1]:1:1', { ports: ['80/tcp', '53/udp', '1/tcp'] }],
  ['EXPOSE 7000-7001:80', { ports: ['80/tcp'] }],
  ['EXPOSE $port 90-91/TCP', { ports: ['80/tcp', '443/udp', '90/tcp', '91/tcp'] }],
  [
    'COPY --chown=$user --chmod=${none:-755} a $dir/',
    { sources: [{ kind: 'path', path: 'a' }], destination: '/srv/x/', chown: 'app', chmod: '755' },
  ],
  ['COPY a\\*b "c" .', { destination: '.' }],
  ['COPY --exclude=$abc --exclude=a\\\\*b c d', { excludes: ['$abc', 'a\\*b'] }],
  ['RUN echo $abc', { command: { form: 'shell', command: 'echo $abc' } }],
  ['CMD ["$abc"]', { command: { form: 'exec', argv: ['$abc'] } }],
  ['ARG a=$abc', { args: [{ name: 'a', defaultValue: '$abc' }] }],
  [
    'COPY <<A <<"B" /x/\n"$abc"\nA\n"$abc"\nB',
    {
      sources: [
        { kind: 'inline', name: 'A', data: '"hello"\n', expand: true },
        { kind: 'inline', name: 'B', data: '"$abc"\n', expand: false },
      ],
    },
  ],
];

for (const [line, part] of EXPANDED) {
  test(`expandInstruction() of ${JSON.stringify(line)}`, () => {
    const expanded = expand(line);
    assert.deepEqual({ ...expanded, ...part }, expanded);
  });
}

/** An instruction of each kind with a variable in all its parts. */
const EVERYWHERE: readonly string[] = [
  'RUN --mount=type=cache,target=/$abc --network=none echo $abc',
  'COPY --from=x --chown=$abc --chmod=$abc --exclude=$abc $abc $abc',
  'ADD --chown=$abc --chmod=$abc --exclude=$abc --checksum=$abc $abc $abc',
  'ENV a$abc=$abc',
  'LABEL a$abc=$abc',
  'WORKDIR $abc',
  'USER $abc',
  'EXPOSE ${port}',
  'VOLUME $abc',
  'STOPSIGNAL $abc',
  'ARG a$abc=$abc',
  'CMD echo $abc',
  'ENTRYPOINT ["$abc"]',
  'SHELL ["$abc"]',
  'HEALTHCHECK CMD echo $abc',
  'ONBUILD ENV a=$abc',
  'MAINTAINER $abc',
];

test('EXPANDED_PARTS says what expandInstruction() expands', () => {
  const kinds = new Set<string>(['from']);
  for (const line of EVERYWHERE) {
    const [written] = parseBuildfile(`FROM x\n${line}`, 'f').stages[0]?.instructions ?? [];
    assert.ok(written);
    const before = Object.entries(written);
    const after = new Map(Object.entries(expand(line)));
    const changed = before.filter(([key, value]) => !isDeepStrictEqual(value, after.get(key)));
    const wanted = [...EXPANDED_PARTS[written.kind]].sort();
    assert.deepEqual(changed.map(([key]) => key).sort(), wanted, line);
    kinds.add(written.kind);
  }
  assert.deepEqual([...kinds].sort(), Object.keys(EXPANDED_PARTS).sort());
});

const REFUSED: readonly (readonly [line: string, message: RegExp])[] = [
  ['VOLUME $none', /^Cannot expand VOLUME "VOLUME \$none": its argument is empty/],
  ['STOPSIGNAL $none', /^Cannot expand STOPSIGNAL "STOPSIGNAL \$none": its argument is empty/],
  ['ENV $none=x', /^Cannot set the name "\$none"/],
  ['ENV a=${none?}', /"none" is not set/],
  ['EXPOSE http', /^Cannot parse port "http"/],
  ['EXPOSE 1.2.3:80:80', /^Cannot parse port "1.2.3:80:80"/],
  ['EXPOSE 80-81:90-92', /^Cannot parse port "80-81:90-92"/],
  ['EXPOSE 80/http', /^Cannot parse port "80\/http"/],
  ['EXPOSE 70000', /^Cannot parse port/],
  ['EXPOSE 9-8', /^Cannot parse port/],
  ['COPY a b $dir', /^Cannot copy several sources to "\/srv\/x": want a directory$/],
];

for (const [line, message] of REFUSED) {
  test(`expandInstruction() refuses ${line}`, () => {
    assert.throws(
      () => expand(line),
      (error) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message, message);
        assert.equal(error.source?.startLine, 2);
        assert.ok(error.hint);
        return true;
      },
    );
  });
}
