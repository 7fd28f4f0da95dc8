import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import { ImageTree } from '../../overlay/image-tree.js';
import { parseChecksum } from '../../remote/checksum.js';
import { parseHttpUrl } from '../../remote/http-url.js';
import { layerFiles, testFetchDeps } from '../../testing/fetch-deps.js';
import { FileServer } from '../../testing/file-server.js';
import { byteNameOf } from '../../util/byte-name.js';
import type { FetchDeps } from './fetch-deps.js';
import { openLayers } from './fetched-layer.js';
import type { HttpFile } from './http-source.js';
import { httpFile } from './http-source.js';

const MODIFIED = 'Wed, 21 Oct 2015 07:28:00 GMT';

async function get(deps: FetchDeps, url: string, checksum?: string): Promise<HttpFile> {
  return await httpFile(deps, {
    target: parseHttpUrl(url),
    name: 'f',
    checksum: checksum === undefined ? undefined : parseChecksum(checksum),
  });
}

function digestOf(text: string, algorithm = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(text).digest('hex')}`;
}

test('httpFile() is asked for again only if it has changed', async (t) => {
  const server = await FileServer.start(t);
  const deps = await testFetchDeps(t);
  for (const headers of [{ etag: '"1"' }, { 'last-modified': MODIFIED }]) {
    server.versioned('/a', 'one', headers);
    const first = await get(deps, `${server.url}/a?${Object.keys(headers).join('')}`);
    assert.deepEqual(layerFiles(deps, first.layer), ['/f 600 0:0 "one"']);
    const again = await get(deps, `${server.url}/a?${Object.keys(headers).join('')}`);
    assert.equal(again.layer, first.layer);
  }
  assert.deepEqual(
    server.requests.map((request) => request.slice(-3)),
    ['200', '304', '200', '304'],
  );
  server.versioned('/a', 'two', { etag: '"2"' });
  assert.deepEqual(layerFiles(deps, (await get(deps, `${server.url}/a?etag`)).layer), [
    '/f 600 0:0 "two"',
  ]);
  const fresh = { ...deps, noCache: true };
  await get(fresh, `${server.url}/a?etag`);
  assert.match(server.requests.at(-1) ?? '', /200$/);
});

test('httpFile() has the time of Last-Modified, else 1970', async (t) => {
  const server = await FileServer.start(t);
  const deps = await testFetchDeps(t);
  server.versioned('/a', 'x', { 'last-modified': MODIFIED });
  server.files.set('/b', 'x');
  const timeOf = async (path: string): Promise<number | undefined> => {
    const { layer } = await get(deps, server.url + path);
    using overlay = openLayers(deps.store, [layer]);
    return new ImageTree(overlay).resolve(byteNameOf('/f'), { followLast: true })?.mtimeSec;
  };
  assert.equal(await timeOf('/a'), Date.parse(MODIFIED) / 1000);
  assert.equal(await timeOf('/b'), 0);
});

test('httpFile() with a checksum asks nobody for what is there, and takes nothing else', async (t) => {
  const server = await FileServer.start(t);
  const deps = await testFetchDeps(t);
  server.files.set('/a', 'x');
  for (const algorithm of ['sha256', 'sha384', 'sha512']) {
    await get(deps, `${server.url}/a`, digestOf('x', algorithm));
    await get(deps, 'http://127.0.0.1:1/elsewhere', digestOf('x', algorithm));
  }
  assert.equal(server.requests.length, 3);
  await assert.rejects(get(deps, `${server.url}/a`, digestOf('y')), {
    code: 'TSB_DIGEST_MISMATCH',
    message: new RegExp(`found ${digestOf('x')}, want ${digestOf('y')}`),
  });
});

test('httpFile() authorizes with secrets and the URL itself, and on its own server alone', async (t) => {
  const server = await FileServer.start(t);
  const other = await FileServer.start(t);
  let seen: string | undefined;
  server.files.set('/a', ({ headers }, response) => {
    seen = headers.authorization;
    response.end('x');
  });
  server.files.set('/away', (_request, response) => {
    response.writeHead(302, { location: `${other.url}/b` }).end();
  });
  other.files.set('/b', ({ headers }, response) => {
    seen = headers.authorization;
    response.end('x');
  });
  const host = '127.0.0.1';
  const cases: readonly (readonly [secrets: Record<string, string>, want: string | undefined])[] = [
    [{}, undefined],
    [{ [`HTTP_AUTH_TOKEN_${host}`]: 'tok\n' }, 'Bearer tok'],
    [{ [`HTTP_AUTH_HEADER_${host}`]: 'Basic x', [`HTTP_AUTH_TOKEN_${host}`]: 't' }, 'Basic x'],
    [{ HTTP_AUTH_TOKEN_other: 'tok' }, undefined],
  ];
  for (const [secrets, want] of cases) {
    await get(await testFetchDeps(t, { secrets }), `${server.url}/a`);
    assert.equal(seen, want);
  }
  const deps = await testFetchDeps(t, { secrets: { [`HTTP_AUTH_TOKEN_${host}`]: 'tok' } });
  await get(deps, `${server.url}/away`);
  assert.equal(seen, undefined);
  const { host: authority } = new URL(server.url);
  await get(await testFetchDeps(t), `http://us%40er:p%3A@${authority}/a`);
  assert.equal(seen, `Basic ${Buffer.from('us@er:p:').toString('base64')}`);
  await assert.rejects(
    get(await testFetchDeps(t), `http://user:s3cret@${authority}/none`),
    (error: Error) => {
      assert.match(error.message, /\*\*\*@/);
      assert.doesNotMatch(error.message, /s3cret/);
      return true;
    },
  );
});

test('httpFile() follows redirects, some, and to http alone', async (t) => {
  const server = await FileServer.start(t);
  const deps = await testFetchDeps(t);
  const redirect = (from: string, location: string | undefined): void => {
    server.files.set(from, (_request, response) => {
      response.writeHead(307, location === undefined ? {} : { location }).end();
    });
  };
  server.files.set('/a', 'x');
  redirect('/1', '/2');
  redirect('/2', `${server.url}/a`);
  assert.ok(await get(deps, `${server.url}/1`));
  const bad: readonly (readonly [location: string | undefined, message: RegExp])[] = [
    ['file:///etc/passwd', /a redirect to file:/],
    ['ftp://user:pw@h/x', /a redirect to ftp:\/\/h/],
    ['http://[', /what is no URL/],
    [undefined, /a redirect to nowhere/],
    ['/loop', /more than 10 redirects/],
  ];
  for (const [location, message] of bad) {
    redirect('/loop', location);
    await assert.rejects(get(deps, `${server.url}/loop`), { code: 'TSB_BUILD', message });
  }
});

test('httpFile() ends with servers that hang, lie, send too much or fail', async (t) => {
  const server = await FileServer.start(t);
  const base = await testFetchDeps(t);
  const limits = { ...base.limits, downloadBytesMax: 1000, attemptsMax: 2, backoffFirstMs: 1 };
  const deps = await testFetchDeps(t, { limits });
  const shortLimits = { ...limits, headersTimeoutMs: 300, bodyIdleTimeoutMs: 300 };
  const impatient = await testFetchDeps(t, { limits: shortLimits });
  server.files.set('/hang', () => undefined);
  server.files.set('/stop', (_request, response) => {
    response.writeHead(200, { 'content-length': '10' }).write('x');
  });
  server.files.set('/short', (_request, response) => {
    response.writeHead(200, { 'content-length': '10' }).write('x', () => response.destroy());
  });
  server.files.set('/large', (_request, response) => {
    response.writeHead(200, { 'content-length': '1001' }).end('x'.repeat(1001));
  });
  server.files.set('/endless', (_request, response) => {
    const timer = setInterval(() => response.write('x'.repeat(100)), 1);
    response.on('close', () => clearInterval(timer));
  });
  const cases: readonly (readonly [path: string, code: string])[] = [
    ['/hang', 'TSB_NETWORK'],
    ['/stop', 'TSB_NETWORK'],
    ['/short', 'TSB_NETWORK'],
    ['/large', 'TSB_LIMIT'],
    ['/endless', 'TSB_LIMIT'],
    ['/none', 'TSB_BUILD'],
  ];
  for (const [path, code] of cases) {
    const waits = path === '/hang' || path === '/stop';
    await assert.rejects(get(waits ? impatient : deps, server.url + path), { code }, path);
  }
  await assert.rejects(get(deps, 'http://127.0.0.1:1/'), { code: 'TSB_NETWORK' });
  let failures = 1;
  server.files.set('/busy', (_request, response) => {
    response.writeHead(failures-- > 0 ? 503 : 200, { 'retry-after': '0' }).end('x');
  });
  assert.ok(await get(deps, `${server.url}/busy`));
  const stop = new AbortController();
  setTimeout(() => stop.abort(new Error('stopped')), 100);
  await assert.rejects(get({ ...base, signal: stop.signal }, `${server.url}/hang`), /stopped/);
});

const BAD_CHECKSUMS: readonly (readonly [text: string, hint: RegExp])[] = [
  ['abc', /Write --checksum=sha256:abc/],
  ['sha256:abc', /sha256sum/],
  [`sha265:${'0'.repeat(64)}`, /Did you mean "sha256"/],
  [`sha256:${'g'.repeat(64)}`, /sha256sum/],
];
for (const [text, hint] of BAD_CHECKSUMS) {
  test(`parseChecksum() refuses ${text.slice(0, 12)}`, () => {
    assert.throws(() => parseChecksum(text), { code: 'TSB_PARSE', hint });
  });
}
