import { describe, expect, it } from '@jest/globals';
import { signatureWindowMs, signCaller, verifyCaller, type Caller, type SignedCaller } from './identity.ts';

const key = Buffer.from('a key for tests');
const caller: Caller = { sub: 'ann', roles: ['operator'], groups: ['g1'] };
const operation = {
  query: 'query Q($a: Int) { groups(first: $a) { nodes { id } } }',
  variables: { a: 1, b: { y: 2, x: 1 } },
};
const now = 1_790_000_000_000;
const signed = signCaller(key, caller, 'inventory', operation, now);
const verify = (given: unknown, changed: Partial<typeof operation> = {}, subgraph = 'inventory', at = now) =>
  verifyCaller(key, given, subgraph, { ...operation, ...changed }, at);

describe('a signed caller', () => {
  it('is believed, whatever the spacing of the query and the order of the variables', () => {
    expect(verify(signed)).toEqual({ caller });
    const query = operation.query.replaceAll(' ', '\n  ');
    expect(verify(JSON.parse(JSON.stringify(signed)), { query, variables: { b: { x: 1, y: 2 }, a: 1 } })).toEqual({
      caller,
    });
  });

  it.each<[string, Partial<SignedCaller>]>([
    ['sub', { sub: 'eve' }],
    ['roles', { roles: ['admin'] }],
    ['groups', { groups: ['*'] }],
    ['issuedAt', { issuedAt: now + 1 }],
    ['signature', { signature: '0'.repeat(64) }],
  ])('is refused as forged when its %s was changed', (_name, change) => {
    expect(verify({ ...signed, ...change })).toEqual({ problem: 'forged' });
  });

  it('is refused for another query, other variables, another subgraph and another key', () => {
    expect(verify(signed, { query: '{ __typename }' })).toEqual({ problem: 'forged' });
    expect(verify(signed, { variables: { a: 2, b: { y: 2, x: 1 } } })).toEqual({ problem: 'forged' });
    expect(verify(signed, {}, 'backup')).toEqual({ problem: 'forged' });
    expect(verifyCaller(Buffer.from('another'), signed, 'inventory', operation, now)).toEqual({ problem: 'forged' });
  });

  it('holds for the window in both directions and not a millisecond longer', () => {
    expect(verify(signed, {}, 'inventory', now + signatureWindowMs)).toEqual({ caller });
    expect(verify(signed, {}, 'inventory', now + signatureWindowMs + 1)).toEqual({ problem: 'expired' });
    expect(verify(signed, {}, 'inventory', now - signatureWindowMs - 1)).toEqual({ problem: 'expired' });
  });

  it('is refused when missing, malformed, or around a query that cannot be parsed', () => {
    expect(verify(undefined)).toEqual({ problem: 'missing' });
    expect(verify(null)).toEqual({ problem: 'missing' });
    for (const bad of [
      'text',
      [],
      {},
      { ...signed, roles: ['king'] },
      { ...signed, groups: 'g1' },
      { ...signed, signature: 'xyz' },
    ]) {
      expect(verify(bad)).toEqual({ problem: 'malformed' });
    }
    expect(verify(signed, { query: '{ broken' })).toEqual({ problem: 'malformed' });
    expect(verify(signed, { query: '{a'.repeat(200_000) })).toEqual({ problem: 'malformed' });
  });

  it('carries nothing that was not signed', () => {
    expect(verify({ ...signed, extra: 'x' })).toEqual({ caller });
  });
});
