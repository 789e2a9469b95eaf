import { describe, expect, it } from '@jest/globals';
import { seededRandom } from '../random.ts';
import { crossDeck } from './cross-deck.ts';
import { placesOf, spansInstances } from './places.ts';
import {
  planTransaction,
  renderLoadTables,
  renderTransaction,
  totalBalanceOf,
  type TransactionPlan,
} from './transaction-plan.ts';

const two = placesOf([
  { name: 'A', databases: ['A1', 'A2', 'A3'] },
  { name: 'B', databases: ['B1', 'B2'] },
]);
const one = placesOf([{ name: 'A', databases: ['A1', 'A2'] }]);

function plans(seed: number, count: number, places = two, home = 'A'): TransactionPlan[] {
  const random = seededRandom(seed);
  const workplace = { places, home, deck: crossDeck(random, places) };
  return Array.from({ length: count }, (_, index) => planTransaction(random, `s.0.${index}`, workplace));
}

const databases = ({ writes }: TransactionPlan): string[] => writes.map(({ database }) => database);

describe('planTransaction', () => {
  it('plans the same for the same seed', () => {
    expect(plans(7, 50)).toEqual(plans(7, 50));
    expect(plans(7, 50)).not.toEqual(plans(8, 50));
  });

  it('makes no amount and loses none', () => {
    for (const { writes } of plans(1, 500)) expect(writes.reduce((sum, { amount }) => sum + amount, 0) + 0).toBe(0);
  });

  it('writes each database at most once, and all in one order', () => {
    const order = [...two.keys()];
    for (const plan of [...plans(1, 500), ...plans(1, 500, two, 'B')]) {
      const places = databases(plan).map(name => order.indexOf(name));
      expect(places).toEqual([...new Set(places)].toSorted((a, b) => a - b));
    }
  });

  it.each(['A', 'B'])('mixes all kinds, and never sends to %s what lies elsewhere alone', home => {
    const all = plans(1, 500, two, home);
    const crossing = all.filter(plan => spansInstances(databases(plan), two));
    const single = all.filter(({ writes }) => writes.length === 1);
    expect(crossing.length).toBeGreaterThan(200);
    expect(crossing.filter(({ writes }) => writes.length === 3).length).toBeGreaterThan(20);
    expect(single.length).toBeGreaterThan(50);
    expect(all.length - crossing.length - single.length).toBeGreaterThan(50);
    expect(all.filter(({ refused }) => refused).length).toBeGreaterThan(5);
    expect(all.filter(({ writes }) => writes.some(({ amount }) => amount !== 0)).length).toBeGreaterThan(150);
    for (const plan of all) expect(databases(plan).some(name => two.get(name) === home)).toBe(true);
  });

  it('has every database written across instances within few transactions', () => {
    for (let seed = 0; seed < 50; seed += 1) {
      const crossing = plans(seed, 30).filter(plan => spansInstances(databases(plan), two));
      expect(new Set(crossing.flatMap(databases)).size).toBe(two.size);
    }
  });

  it('spans nothing on one instance', () => {
    const all = plans(1, 200, one);
    expect(all.some(plan => databases(plan).length === 2)).toBe(true);
    expect(all.every(plan => databases(plan).length <= 2)).toBe(true);
    const [first] = plans(1, 1, placesOf([{ name: 'A', databases: ['Orders'] }]));
    expect(first && databases(first)).toEqual(['Orders']);
    expect(() => plans(1, 1, placesOf([]))).toThrow();
  });
});

describe('renderTransaction', () => {
  const writes = [
    { database: 'A1', account: 3, amount: -5 },
    { database: 'B1', account: 4, amount: 5 },
  ];

  it('is one distributed transaction that any error rolls back', () => {
    expect(renderTransaction({ id: 's.1.1', home: 'A', writes, refused: false }, two)).toBe(
      'SET XACT_ABORT ON; SET LOCK_TIMEOUT 15000; BEGIN DISTRIBUTED TRANSACTION; ' +
        "INSERT INTO [A1].dbo.DemoLedger (Id, Amount) VALUES ('s.1.1', -5); " +
        'UPDATE [A1].dbo.DemoAccount SET Balance = Balance + -5 WHERE AccountId = 3; ' +
        "INSERT INTO [B].[B1].dbo.DemoLedger (Id, Amount) VALUES ('s.1.1', 5); " +
        'UPDATE [B].[B1].dbo.DemoAccount SET Balance = Balance + 5 WHERE AccountId = 4; ' +
        'COMMIT TRANSACTION;',
    );
  });

  it('is a plain one on one instance', () => {
    const text = renderTransaction({ id: 's.1.1', home: 'A', writes: writes.slice(0, 1), refused: false }, two);
    expect(text).toContain('; BEGIN TRANSACTION; ');
  });

  it('fails on purpose between two writes', () => {
    const text = renderTransaction({ id: 's.1.1', home: 'B', writes, refused: true }, two);
    expect(text).toMatch(/\[A\]\.\[A1\].*THROW 50001.*INTO \[B1\].*COMMIT/);
  });
});

it('opens every account with the same balance', () => {
  expect(renderLoadTables('Orders').at(-1)).toContain('VALUES (0, 10000), (1, 10000)');
  expect(totalBalanceOf(one)).toBe(400_000n);
});
