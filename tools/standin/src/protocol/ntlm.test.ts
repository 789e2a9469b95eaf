import { describe, expect, it } from '@jest/globals';
import { ntHash, NtlmExchange } from './ntlm.ts';
import { isNegotiate } from './ntlm-messages.ts';
import { answer, negotiate } from './ntlm-fixture.ts';

const options = {
  serverChallenge: Buffer.from('0123456789abcdef', 'hex'),
  domain: 'CONTOSO',
  computer: 'PRIMARY',
  now: new Date('2026-03-01T12:00:00Z'),
};
const known = (account: string): Buffer | undefined =>
  account.toLowerCase() === 'contoso\\svc' ? ntHash('Pa55-wörd') : undefined;
const start = (): NtlmExchange => new NtlmExchange(negotiate, options);

describe('an NTLMv2 login', () => {
  it('hashes passwords as MS-NLMP §4.2.2.1.2 does', () => {
    expect(ntHash('Password').toString('hex')).toBe('a4f49c406510bdcab6824ee7c30fd852');
  });

  it.each([
    ['with a MIC', {}],
    ['without one', { mic: false }],
    ['by LMv2', { nt: 'proof' as const }],
    ['of a domain in another case', { domain: 'Contoso', user: 'SVC' }],
    ['that proves itself by a domain in capitals', { domain: 'contoso', provenDomain: 'CONTOSO' }],
  ])('%s lets in who knows the password', (_, more) => {
    const exchange = start();
    const account = exchange.authenticated(answer(exchange.challenge, more), known);
    expect(account?.toLowerCase()).toBe('contoso\\svc');
  });

  it.each([
    ['another password', { password: 'Pa55-word' }],
    ['another domain', { domain: 'FABRIKAM' }],
    ['another account', { user: 'svc2' }],
    ['no account', { user: '', domain: '' }],
    ['NTLM of the first version', { nt: 'v1' as const }],
    ['another password by LMv2', { nt: 'proof' as const, password: 'x' }],
    ['nothing at all', { nt: 'none' as const }],
    ['a MIC of other messages', { negotiated: Buffer.alloc(16) }],
  ])('refuses %s', (_, more) => {
    const exchange = start();
    expect(exchange.authenticated(answer(exchange.challenge, more), known)).toBeUndefined();
  });

  it('refuses an answer to another challenge', () => {
    const other = new NtlmExchange(negotiate, { ...options, serverChallenge: Buffer.from('fedcba9876543210', 'hex') });
    expect(start().authenticated(answer(other.challenge), known)).toBeUndefined();
  });

  it('refuses every answer of which one bit was changed, and every shorter one', () => {
    const whole = answer(start().challenge);
    const survives = (token: Buffer): boolean => {
      try {
        return start().authenticated(token, known) !== undefined;
      } catch (error) {
        if ((error as Error).name === 'ProtocolError') return false;
        throw error;
      }
    };
    expect(survives(whole)).toBe(true);
    for (let at = 0; at < whole.length; at++) {
      const changed = Buffer.from(whole);
      changed.writeUInt8(changed.readUInt8(at) ^ 0x10, at);
      // The MIC covers every byte but the case of the account's letters, which does not count.
      expect([at, survives(changed)]).toEqual([at, false]);
      expect([at, survives(whole.subarray(0, at))]).toEqual([at, false]);
    }
  });
});

it('tells NTLM from what stands in the same place', () => {
  expect(isNegotiate(negotiate)).toBe(true);
  expect(isNegotiate(Buffer.from('604806062b0601050502a03e303ca00e', 'hex'))).toBe(false);
  expect(isNegotiate(Buffer.alloc(0))).toBe(false);
});
