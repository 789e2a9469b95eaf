import { createPublicKey } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jwtVerify } from 'jose';
import { audience, ensureKeys, issuer, issueToken } from './keys.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-keys-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('ensureKeys', () => {
  it('makes keys once, readable by their owner only', async () => {
    const files = await ensureKeys(folder);
    const before = Object.values(files).map(file => readFileSync(file, 'utf8'));
    expect(Buffer.byteLength(before[0] ?? '')).toBeGreaterThanOrEqual(32);
    if (process.platform !== 'win32')
      for (const file of Object.values(files)) expect(statSync(file).mode & 0o077).toBe(0);
    expect(Object.values(await ensureKeys(folder)).map(file => readFileSync(file, 'utf8'))).toEqual(before);
  });

  it('makes a pair anew of which only one half was written', async () => {
    const files = await ensureKeys(folder);
    rmSync(files.issuerPublic);
    await ensureKeys(folder);
    const token = await issueToken(files, Date.now());
    const key = createPublicKey(readFileSync(files.issuerPublic, 'utf8'));
    await expect(jwtVerify(token, key, { issuer, audience })).resolves.toBeDefined();
  });
});

it('issues a token for a day, without the right to approve', async () => {
  const files = await ensureKeys(folder);
  const nowMs = Date.now();
  const key = createPublicKey(readFileSync(files.issuerPublic, 'utf8'));
  const { payload } = await jwtVerify(await issueToken(files, nowMs), key, { issuer, audience });
  expect(payload.exp).toBe(Math.floor(nowMs / 1_000) + 86_400);
  const { roles, groups } = payload['holdfast'] as { roles: string[]; groups: string[] };
  expect(groups).toEqual(['*']);
  expect(roles).toContain('recovery-manager');
  expect(roles).not.toContain('approver');
});
