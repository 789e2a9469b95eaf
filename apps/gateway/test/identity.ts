import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import type { AlarmClock } from '../src/alarm-clock.ts';

export const issuer = 'https://issuer.invalid/';
export const audience = 'holdfast';
export const signingKey = randomBytes(32);

const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const foreignKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const publicPem = keys.publicKey.export({ type: 'spki', format: 'pem' }).toString();

export type TokenWishes = {
  readonly nowMs: number;
  readonly sub?: string;
  readonly roles?: readonly string[];
  readonly expiresInSeconds?: number;
  readonly issuer?: string;
  readonly audience?: string;
  readonly key?: 'ours' | 'foreign' | 'public key as HMAC secret';
  readonly claims?: Record<string, unknown>;
};

/** A bearer value; whatever is not wished for is right. */
export async function bearer(wishes: TokenWishes): Promise<string> {
  const nowSeconds = Math.floor(wishes.nowMs / 1000);
  const claims = wishes.claims ?? { holdfast: { roles: wishes.roles ?? ['viewer'], groups: ['*'] } };
  const hmac = wishes.key === 'public key as HMAC secret';
  const token = new SignJWT(claims)
    .setProtectedHeader({ alg: hmac ? 'HS256' : 'ES256' })
    .setSubject(wishes.sub ?? 'ann')
    .setIssuer(wishes.issuer ?? issuer)
    .setAudience(wishes.audience ?? audience)
    .setIssuedAt(nowSeconds)
    .setExpirationTime(nowSeconds + (wishes.expiresInSeconds ?? 3_600));
  const key = hmac ? Buffer.from(publicPem) : wishes.key === 'foreign' ? foreignKeys.privateKey : keys.privateKey;
  return `Bearer ${await token.sign(key)}`;
}

export function writePublicKey(folder: string): string {
  const file = join(folder, 'issuer.pem');
  writeFileSync(file, publicPem);
  return file;
}

/** Moves only when told. */
export class ManualClock implements AlarmClock {
  #nowMs = Date.now();
  readonly #alarms = new Set<{ atMs: number; run: () => void }>();

  now(): number {
    return this.#nowMs;
  }

  at(atMs: number, run: () => void): () => void {
    const alarm = { atMs, run };
    this.#alarms.add(alarm);
    return () => this.#alarms.delete(alarm);
  }

  advance(ms: number): void {
    this.#nowMs += ms;
    for (const alarm of [...this.#alarms]) {
      if (alarm.atMs > this.#nowMs) continue;
      this.#alarms.delete(alarm);
      alarm.run();
    }
  }
}
