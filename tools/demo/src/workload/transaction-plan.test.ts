import { describe, expect, it } from '@jest/globals';
import { seededRandom } from '../random.ts';
import {
  planTransaction,
  renderLoadTables,
  renderTransaction,
  totalBalanceOf,
  type TransactionPlan,
} from './transaction-plan.ts';

const databases = ['BizTalkMgmtDb', 'BizTalkMsgBoxDb'];

function plans(seed: number, count: number, names = databases): TransactionPlan[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, (_, index) => planTransaction(random, `s.0.${index}`, names));
}

describe('planTransaction', () => {
  it('plans the same for the same seed', () => {
    expect(plans(7, 50)).toEqual(plans(7, 50));
    expect(plans(7, 50)).not.toEqual(plans(8, 50));
  });

  it('makes no amount and loses none', () => {
    for (const { writes } of plans(1, 500)) expect(writes.reduce((sum, { amount }) => sum + amount, 0)).toBe(0);
  });

  it('writes each database at most once, and mixes all kinds', () => {
    const all = plans(1, 500);
    for (const { writes } of all) expect(new Set(writes.map(({ database }) => database)).size).toBe(writes.length);
    const kinds = {
      single: all.filter(({ writes }) => writes.length === 1).length,
      moving: all.filter(({ writes }) => writes.some(({ amount }) => amount !== 0)).length,
      refused: all.filter(({ refused }) => refused).length,
    };
    expect(kinds.single).toBeGreaterThan(50);
    expect(kinds.moving).toBeGreaterThan(150);
    expect(kinds.refused).toBeGreaterThan(5);
    expect(all.length - kinds.single - kinds.moving).toBeGreaterThan(50);
  });

  it('needs one database at least', () => {
    expect(plans(1, 5, ['Orders']).every(({ writes }) => writes.length === 1)).toBe(true);
    expect(() => plans(1, 1, [])).toThrow();
  });
});

describe('renderTransaction', () => {
  const writes = [
    { database: 'BizTalkMgmtDb', account: 3, amount: -5 },
    { database: 'BizTalkMsgBoxDb', account: 4, amount: 5 },
  ];

  it('is one transaction that any error rolls back', () => {
    expect(renderTransaction({ id: 's.1.1', writes, refused: false })).toBe(
      'SET XACT_ABORT ON; BEGIN TRANSACTION; ' +
        "INSERT INTO [BizTalkMgmtDb].dbo.DemoLedger (Id, Amount) VALUES ('s.1.1', -5); " +
        'UPDATE [BizTalkMgmtDb].dbo.DemoAccount SET Balance = Balance + -5 WHERE AccountId = 3; ' +
        "INSERT INTO [BizTalkMsgBoxDb].dbo.DemoLedger (Id, Amount) VALUES ('s.1.1', 5); " +
        'UPDATE [BizTalkMsgBoxDb].dbo.DemoAccount SET Balance = Balance + 5 WHERE AccountId = 4; ' +
        'COMMIT TRANSACTION;',
    );
  });

  it('fails on purpose between two writes', () => {
    const text = renderTransaction({ id: 's.1.1', writes, refused: true });
    expect(text).toMatch(/BizTalkMgmtDb.*THROW 50001.*BizTalkMsgBoxDb.*COMMIT/);
  });
});

it('opens every account with the same balance', () => {
  expect(renderLoadTables('Orders').at(-1)).toContain('VALUES (0, 10000), (1, 10000)');
  expect(totalBalanceOf(databases)).toBe(400_000n);
});
