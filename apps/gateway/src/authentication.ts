import { createPublicKey, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type Caller, type Role, roles } from '@holdfast/service';
import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { z } from 'zod';
import type { AlarmClock } from './alarm-clock.ts';
import type { GatewayConfig } from './config.ts';

/** A caller and the moment, in milliseconds since the epoch, at which the right to be one ends. */
export type Session = { readonly caller: Caller; readonly expiresAtMs: number };

/** Why nobody was recognised. `status` is the HTTP status that goes with the code. */
export type AuthenticationRefusal = {
  readonly code: 'UNAUTHENTICATED' | 'FORBIDDEN' | 'IDENTITY_PROVIDER_UNAVAILABLE';
  readonly message: string;
  readonly status: 401 | 403 | 503;
  readonly retryable: boolean;
};

export type Authenticate = (
  authorization: unknown,
) => Promise<{ session: Session } | { refusal: AuthenticationRefusal }>;

// Asymmetric only: with an HMAC algorithm allowed, the public key itself would sign tokens.
const algorithms = ['ES256', 'ES384', 'PS256', 'RS256', 'EdDSA'];
const clockToleranceSeconds = 5;

const claims = z.object({
  sub: z.string().min(1),
  exp: z.number(),
  holdfast: z.object({ roles: z.array(z.string()), groups: z.array(z.string().min(1)) }),
});

type Key = KeyObject | JWTVerifyGetKey;

/** Checks `Bearer` tokens; throws only while the key is read at start. */
export async function createAuthentication(auth: GatewayConfig['auth'], clock: AlarmClock): Promise<Authenticate> {
  const key = await verificationKey(auth);
  return async authorization => {
    if (authorization === undefined || authorization === null || authorization === '')
      return unauthenticated('No token was sent.');
    const token = typeof authorization === 'string' ? /^Bearer ([\w.~+/=-]+)$/i.exec(authorization)?.[1] : undefined;
    if (token === undefined) return unauthenticated('The authorization is not of the form "Bearer <token>".');
    try {
      return sessionOf(await verifiedPayload(token, key, auth, clock));
    } catch (error) {
      return refusalOf(error);
    }
  };
}

async function verificationKey(auth: GatewayConfig['auth']): Promise<Key> {
  if (auth.publicKeyFile !== undefined) return createPublicKey(await readFile(auth.publicKeyFile, 'utf8'));
  if (auth.jwksUrl !== undefined) return createRemoteJWKSet(new URL(auth.jwksUrl), { timeoutDuration: 5_000 });
  throw new Error('gateway.auth needs jwksUrl or publicKeyFile');
}

async function verifiedPayload(
  token: string,
  key: Key,
  auth: GatewayConfig['auth'],
  clock: AlarmClock,
): Promise<JWTPayload> {
  const options = {
    issuer: auth.issuer,
    audience: auth.audience,
    algorithms,
    clockTolerance: clockToleranceSeconds,
    currentDate: new Date(clock.now()),
    requiredClaims: ['sub', 'exp'],
  };
  // jose's two overloads do not take the union of both kinds of key.
  return typeof key === 'function'
    ? (await jwtVerify(token, key, options)).payload
    : (await jwtVerify(token, key, options)).payload;
}

function sessionOf(payload: JWTPayload): { session: Session } | { refusal: AuthenticationRefusal } {
  const parsed = claims.safeParse(payload);
  if (!parsed.success) return unauthenticated('The token lacks the claim "holdfast" with roles and groups.');
  const { sub, exp, holdfast } = parsed.data;
  const held = holdfast.roles.filter((role): role is Role => (roles as readonly string[]).includes(role));
  if (held.length === 0) {
    const message = 'The token names no role that is known here.';
    return { refusal: { code: 'FORBIDDEN', message, status: 403, retryable: false } };
  }
  const expiresAtMs = (exp + clockToleranceSeconds) * 1000;
  return { session: { caller: { sub, roles: held, groups: holdfast.groups }, expiresAtMs } };
}

/** Only what is the token's own fault is a 401: an identity provider that cannot be asked must not log people out. */
function refusalOf(error: unknown): { refusal: AuthenticationRefusal } {
  if (error instanceof errors.JWTExpired) return unauthenticated('The token has expired.');
  if (error instanceof errors.JWTClaimValidationFailed)
    return unauthenticated(`The token's claim "${error.claim}" is not accepted.`);
  const providerFailed =
    error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid || isPlainJoseError(error);
  if (error instanceof errors.JOSEError && !providerFailed) return unauthenticated('The token is not valid here.');
  // jose names a key that does not fit the token's algorithm with a TypeError; fetch names an unreachable host so, too.
  if (error instanceof TypeError && error.message !== 'fetch failed')
    return unauthenticated('The token is not valid here.');
  const message = 'The identity provider did not answer; the token could not be checked.';
  return { refusal: { code: 'IDENTITY_PROVIDER_UNAVAILABLE', message, status: 503, retryable: true } };
}

/** jose throws its base class for a key set that answers with another status than 200 or with no JSON. */
function isPlainJoseError(error: unknown): boolean {
  return error instanceof errors.JOSEError && error.code === 'ERR_JOSE_GENERIC';
}

function unauthenticated(message: string): { refusal: AuthenticationRefusal } {
  return { refusal: { code: 'UNAUTHENTICATED', message, status: 401, retryable: false } };
}
