import { describe, expect, it } from '@jest/globals';
import { addressProblem, renderAddress, windowsAccount } from './address.ts';
import { whyNotReached } from './driver.ts';

const plain = { server: 'sql1.example', port: 1433, instanceName: null, encrypt: true, trustServerCertificate: false };

describe('addresses', () => {
  it.each([
    plain,
    { ...plain, port: null },
    { ...plain, port: null, instanceName: 'BTS' },
    { ...plain, server: '::1' },
  ])('accepts %j', address => {
    expect(addressProblem(address, 'holdfast')).toBeUndefined();
    expect(addressProblem(address, 'CONTOSO\\svc backup')).toBeUndefined();
  });

  it.each([
    ['CONTOSO\\svc', { domain: 'CONTOSO', account: 'svc' }],
    ['sa', undefined],
    ['svc@contoso.example', undefined],
  ])('takes %s for the account %j', (user, account) => {
    expect(windowsAccount(user)).toEqual(account);
  });

  it.each([
    [plain, 'CONTOSO\\', 'WindowsAccountMalformed'],
    [plain, '\\svc', 'WindowsAccountMalformed'],
    [plain, 'CONTOSO\\a\\b', 'WindowsAccountMalformed'],
    [{ ...plain, instanceName: 'BTS' }, 'sa', 'PortAndInstanceName'],
    [{ ...plain, server: 'sql1\\BTS' }, 'sa', 'ServerNameNotPlain'],
    [{ ...plain, server: 'sql1,1433' }, 'sa', 'ServerNameNotPlain'],
    [{ ...plain, server: 'tcp:sql1' }, 'sa', 'ServerNameNotPlain'],
    [{ ...plain, server: '' }, 'sa', 'ServerNameNotPlain'],
    [{ ...plain, port: 0 }, 'sa', 'InvalidPort'],
  ])('refuses %j for %s: %s', (address, user, refused) => {
    expect(addressProblem(address, user)).toMatchObject({ refused });
  });

  it('are shown as people write them', () => {
    expect(renderAddress(plain)).toBe('sql1.example:1433');
    expect(renderAddress({ ...plain, port: null, instanceName: 'BTS' })).toBe('sql1.example\\BTS');
  });

  it.each([
    ['getaddrinfo ENOTFOUND sql1.example', 'The host "sql1.example" is unknown here'],
    ['connect ECONNREFUSED 127.0.0.1:1433', 'Nobody listens at sql1.example:1433'],
    ['self-signed certificate', 'The certificate of sql1.example:1433 is not trusted'],
    ['Server requires encryption', 'do not agree about encryption'],
    ['Failed to connect in 15000ms', 'Cannot connect to sql1.example:1433'],
  ])('explains %s', (text, explanation) => {
    expect(whyNotReached(plain, text)).toContain(explanation);
  });
});
