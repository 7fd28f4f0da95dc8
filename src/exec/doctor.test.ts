import assert from 'node:assert/strict';
import { test } from 'node:test';

import { examine } from './doctor.js';

test('examine() finds what this machine has', async () => {
  const findings = await examine({ storeRoot: '/nonexistent/store' });
  const find = (name: string): string | undefined =>
    findings.find((finding) => finding.name === name)?.status;
  assert.equal(find('Node'), 'ok');
  assert.equal(find('platform'), 'ok');
  assert.equal(find('util-linux'), 'ok');
  assert.equal(find('namespaces'), 'ok');
  assert.equal(new Set(findings.map(({ name }) => name)).size, findings.length);
});

test('examine() says what to type for what is missing', async () => {
  const findings = await examine({ storeRoot: '/' });
  for (const { name, status, detail, hint } of findings) {
    assert.notEqual(detail, '', name);
    if (status === 'missing') assert.notEqual(hint, undefined, name);
  }
});
