import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { GraphQLError, parse, print } from 'graphql';

/** What a person or job may do; every grant is limited to `Caller.groups`. */
export const roles = ['viewer', 'operator', 'recovery-manager', 'approver', 'auditor', 'admin'] as const;
export type Role = (typeof roles)[number];

/** Who asks. `groups` holds BizTalk group ids, or the single entry `*` for all of them. */
export type Caller = { readonly sub: string; readonly roles: readonly Role[]; readonly groups: readonly string[] };

/** The value of `extensions.holdfast` on every request from the gateway to a subgraph. `issuedAt`: milliseconds since the epoch. */
export type SignedCaller = Caller & { readonly issuedAt: number; readonly signature: string };

export type Operation = { readonly query: string; readonly variables: unknown };

/** Beyond this age, in either direction, a signature is refused: a replayed request must not outlive its moment. */
export const signatureWindowMs = 30_000;

/** Signs what the gateway sends to one subgraph; the subgraph's name is part of it, so that no other subgraph accepts the copy. */
export function signCaller(
  key: Uint8Array,
  caller: Caller,
  subgraph: string,
  operation: Operation,
  now: number,
): SignedCaller {
  const identity = { sub: caller.sub, roles: caller.roles, groups: caller.groups, issuedAt: now };
  return { ...identity, signature: signature(key, identity, subgraph, operation) };
}

export type SignatureProblem = 'missing' | 'malformed' | 'expired' | 'forged';

/** The caller, or why the request is not believed. */
export function verifyCaller(
  key: Uint8Array,
  signed: unknown,
  subgraph: string,
  operation: Operation,
  now: number,
): { caller: Caller } | { problem: SignatureProblem } {
  if (signed === undefined || signed === null) return { problem: 'missing' };
  if (!isSignedCaller(signed)) return { problem: 'malformed' };
  const { signature: given, ...identity } = signed;
  const wanted = signatureOrUndefined(key, identity, subgraph, operation);
  if (wanted === undefined) return { problem: 'malformed' };
  const expected = Buffer.from(wanted, 'hex');
  const actual = Buffer.from(given, 'hex');
  if (actual.length !== expected.length || !timingSafeEqual(actual, expected)) return { problem: 'forged' };
  if (Math.abs(now - signed.issuedAt) > signatureWindowMs) return { problem: 'expired' };
  return { caller: { sub: signed.sub, roles: signed.roles, groups: signed.groups } };
}

function signature(
  key: Uint8Array,
  identity: Omit<SignedCaller, 'signature'>,
  subgraph: string,
  operation: Operation,
): string {
  const { sub, roles: held, groups, issuedAt } = identity;
  return createHmac('sha256', key)
    .update(canonicalJson([sub, held, groups, issuedAt, subgraph, operationHash(operation)]))
    .digest('hex');
}

/** Nobody can have signed what cannot be parsed, so a stranger's broken query is his problem and no error of ours. */
function signatureOrUndefined(...parts: Parameters<typeof signature>): string | undefined {
  try {
    return signature(...parts);
  } catch (error) {
    // RangeError: nested so deeply that parsing ran out of stack.
    if (error instanceof GraphQLError || error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Printing the parsed query first makes the hash independent of the spacing that a transport chooses. */
function operationHash({ query, variables }: Operation): string {
  const text = print(parse(query, { noLocation: true }));
  return createHash('sha256')
    .update(`${text}\n${canonicalJson(variables ?? {})}`)
    .digest('hex');
}

function canonicalJson(value: unknown): string {
  // The round trip drops what JSON cannot carry, as the wire will.
  return JSON.stringify(sorted(JSON.parse(JSON.stringify(value))));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}

function isSignedCaller(value: unknown): value is SignedCaller {
  if (typeof value !== 'object' || value === null) return false;
  const { sub, roles: held, groups, issuedAt, signature: given } = value as Record<string, unknown>;
  return (
    typeof sub === 'string' &&
    Array.isArray(held) &&
    held.every(role => (roles as readonly unknown[]).includes(role)) &&
    Array.isArray(groups) &&
    groups.every(group => typeof group === 'string') &&
    typeof issuedAt === 'number' &&
    typeof given === 'string' &&
    /^[0-9a-f]{64}$/.test(given)
  );
}
