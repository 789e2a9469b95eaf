import { expect, it } from '@jest/globals';
import type { LoggedStatement } from '../failover/statements.ts';
import { databasesOfOffer, reseededBy, rolledToTheEnd } from './offer.ts';

const ran = (text: string, rest: Partial<LoggedStatement> = {}): LoggedStatement => ({
  ...{ at: '', spid: 51, program: 'holdfast-restore g 1 e', text, outcome: 'ok', milliseconds: 1 },
  ...rest,
});

it('takes a database for past the mark only when its log was rolled to the end', () => {
  const log = (file: string, options = 'NORECOVERY') =>
    `RESTORE LOG [X] FROM DISK = N'E:\\Copies\\${file}' WITH ${options}`;
  const files = new Map([
    ['Orders', 'orders_3.bak'],
    ['Billing', 'billing_3.bak'],
    ['SSODB', 'sso_3.bak'],
  ]);
  const statements = [
    ran(log('orders_3.bak'), { program: 'holdfast-shipping g 1 s' }),
    ran(log('billing_3.bak', "NORECOVERY, STOPATMARK = N'BTS_1'")),
    ran(log('sso_3.bak'), { outcome: 'failed' }),
    ran(log('sso_2.bak')),
  ];
  expect(rolledToTheEnd(statements, files)).toEqual(['Orders']);
});

it('names what a failover sent a full for, once', () => {
  const full = "RESTORE DATABASE [Orders] FROM DISK = N'E:\\Copies\\f.bak' WITH NORECOVERY, REPLACE";
  const statements = [
    ran(full),
    ran(full, { outcome: 'started' }),
    ran(full.replace('Orders', 'Billing'), { program: 'holdfast-shipping g 1 s' }),
    ran(full.replace('Orders', 'EsbExceptionDb'), { outcome: 'failed' }),
    ran('RESTORE DATABASE [SSODB] WITH RECOVERY'),
  ];
  expect(reseededBy([...statements, ran(full)])).toEqual(['Orders', 'EsbExceptionDb']);
});

it('reads an offer, or says that it is none', () => {
  const why = (text: string) => ({ step: { id: '1', name: '', why: text, command: '', expected: '' } });
  expect(databasesOfOffer(why('It is. Past BTS_1: A, B. Not past it: none.'), 'BTS_1')).toEqual({
    past: ['A', 'B'],
    notPast: [],
  });
  expect(databasesOfOffer(why('Past BTS_1: A. Not past it: none.'), 'BTS_2')).toBeUndefined();
  expect(databasesOfOffer(why('Confirm that all hosts are stopped.'), 'BTS_1')).toBeUndefined();
});
