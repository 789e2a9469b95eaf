import { oneOf, type Random, wholeBelow } from '../random.ts';
import type { CrossDeck } from './cross-deck.ts';
import { type Places, spansInstances } from './places.ts';

/** One transaction of the sample load before it is sent. */
export type TransactionPlan = {
  readonly id: string;
  /** The instance that it is sent to, and that coordinates it. */
  readonly home: string;
  /** What it writes where: one row in the ledger of each database, and its amount in one account there. */
  readonly writes: readonly { readonly database: string; readonly account: number; readonly amount: number }[];
  /** It fails on purpose when all but the last write are done. */
  readonly refused: boolean;
};

/** What a connection of the load works on. */
export type Workplace = {
  readonly places: Places;
  /** Where the connection is. */
  readonly home: string;
  /** Shared by all connections. */
  readonly deck: CrossDeck;
};

export const accountsPerDatabase = 20;
export const openingBalance = 10_000;
/** The safety net: writes come in one order everywhere, so that nobody waits in a circle. */
const lockTimeoutMs = 15_000;

const refusedShare = 0.04;
const singleShare = 0.15;
const localShare = 0.2;
const thirdShare = 0.25;
const movingShare = 0.6;

/**
 * Most transactions span instances, some databases of one instance, some are of one database alone; most of those that span databases move an
 * amount: the balances of all databases together stay the same.
 */
export function planTransaction(random: Random, id: string, { places, home, deck }: Workplace): TransactionPlan {
  const refused = random() < refusedShare;
  const chosen = chooseDatabases(random, places, home, deck);
  const amount = chosen.length > 1 && random() < movingShare ? wholeBelow(random, 100) + 1 : 0;
  // In the one order of the group: two transactions that need the same two rows never each hold one.
  const writes = [...places.keys()]
    .filter(database => chosen.includes(database))
    .map((database, index) => ({
      database,
      account: wholeBelow(random, accountsPerDatabase),
      amount: index === 0 ? -amount * (chosen.length - 1) : amount,
    }));
  return { id, home, writes, refused };
}

function chooseDatabases(random: Random, places: Places, home: string, deck: CrossDeck): readonly string[] {
  const own = [...places].filter(([, instance]) => instance === home).map(([database]) => database);
  const kind = random();
  if (kind < singleShare) return [oneOf(random, own)];
  if (kind < singleShare + localShare || !deck.spans) return pairOf(random, own);
  const crossing = deck.next();
  return random() < thirdShare ? [...new Set([...crossing, oneOf(random, [...places.keys()])])] : crossing;
}

/** Two of them, or the only one. */
function pairOf(random: Random, own: readonly string[]): readonly string[] {
  const one = oneOf(random, own);
  const others = own.filter(name => name !== one);
  return others.length === 0 ? [one] : [one, oneOf(random, others)];
}

/**
 * T-SQL only: a driver's own transaction cannot span instances. What is not at home is named with its server and makes the transaction a
 * distributed one.
 */
export function renderTransaction({ id, home, writes, refused }: TransactionPlan, places: Places): string {
  const statements = writes.map(({ database, account, amount }) => {
    const place = places.get(database);
    const table = place === home || place === undefined ? `[${database}].dbo` : `[${place}].[${database}].dbo`;
    const insert = `INSERT INTO ${table}.DemoLedger (Id, Amount) VALUES ('${id}', ${amount});`;
    const move = `UPDATE ${table}.DemoAccount SET Balance = Balance + ${amount} WHERE AccountId = ${account};`;
    return amount === 0 ? insert : `${insert} ${move}`;
  });
  if (refused) statements.splice(-1, 0, "THROW 50001, N'refused on purpose by the sample load', 1;");
  const begin = spansInstances(
    writes.map(({ database }) => database),
    places,
  )
    ? 'BEGIN DISTRIBUTED TRANSACTION'
    : 'BEGIN TRANSACTION';
  return `SET XACT_ABORT ON; SET LOCK_TIMEOUT ${lockTimeoutMs}; ${begin}; ${statements.join(' ')} COMMIT TRANSACTION;`;
}

/** The tables of the load in one database, with their opening balances. */
export function renderLoadTables(database: string): readonly string[] {
  const accounts = Array.from({ length: accountsPerDatabase }, (_, account) => `(${account}, ${openingBalance})`);
  return [
    `USE [${database}]; CREATE TABLE dbo.DemoLedger (Id varchar(60) NOT NULL PRIMARY KEY, Amount bigint NOT NULL);`,
    `USE [${database}]; CREATE TABLE dbo.DemoAccount (AccountId int NOT NULL PRIMARY KEY, Balance bigint NOT NULL);`,
    `INSERT INTO [${database}].dbo.DemoAccount (AccountId, Balance) VALUES ${accounts.join(', ')};`,
  ];
}

export function totalBalanceOf(places: Places): bigint {
  return BigInt(places.size) * BigInt(accountsPerDatabase) * BigInt(openingBalance);
}
