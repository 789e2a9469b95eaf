import { createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Role } from '@holdfast/service';
import { SignJWT } from 'jose';

export const issuer = 'holdfast-all-in-one';
export const audience = 'holdfast';

const tokenHours = 24;
/** Not `approver`: the one who recovers must not be able to approve it (libs/service, `allows`). */
const holderRoles: readonly Role[] = ['viewer', 'operator', 'recovery-manager', 'auditor', 'admin'];

export type KeyFiles = {
  /** Shared by gateway and subgraphs. */
  readonly signingKey: string;
  /** Of the identity provider that this process is: PEM. */
  readonly issuerPrivate: string;
  readonly issuerPublic: string;
};

export function keyFiles(dataFolder: string): KeyFiles {
  const folder = join(dataFolder, 'keys');
  return {
    signingKey: join(folder, 'signing.key'),
    issuerPrivate: join(folder, 'issuer-private.pem'),
    issuerPublic: join(folder, 'issuer-public.pem'),
  };
}

/** Makes what is missing; what is there stays, so that a token outlives a restart. */
export async function ensureKeys(dataFolder: string): Promise<KeyFiles> {
  const files = keyFiles(dataFolder);
  await mkdir(join(dataFolder, 'keys'), { recursive: true, mode: 0o700 });
  if (!existsSync(files.signingKey)) await writeWhole(files.signingKey, randomBytes(48).toString('base64url'));
  // The public one is written last: as long as it is missing, the pair is not there.
  if (!existsSync(files.issuerPublic)) {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    await writeWhole(files.issuerPrivate, pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
    await writeWhole(files.issuerPublic, pair.publicKey.export({ type: 'spki', format: 'pem' }).toString());
  }
  return files;
}

/** A token for the person at this machine: every role but approver, every group, for a day. */
export async function issueToken(files: KeyFiles, nowMs: number): Promise<string> {
  const key = createPrivateKey(await readFile(files.issuerPrivate, 'utf8'));
  const nowSeconds = Math.floor(nowMs / 1_000);
  return new SignJWT({ holdfast: { roles: holderRoles, groups: ['*'] } })
    .setProtectedHeader({ alg: 'ES256' })
    .setSubject('local')
    .setIssuer(issuer)
    .setAudience(audience)
    .setIssuedAt(nowSeconds)
    .setExpirationTime(nowSeconds + tokenHours * 3_600)
    .sign(key);
}

async function writeWhole(file: string, text: string): Promise<void> {
  await writeFile(`${file}.part`, text, { mode: 0o600, flush: true });
  await rename(`${file}.part`, file);
}
