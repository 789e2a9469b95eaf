import { oneOf, type Random, wholeBelow } from '../random.ts';

/** One transaction of the sample load before it is sent. */
export type TransactionPlan = {
  readonly id: string;
  /** What it writes where: one row in the ledger of each database, and its amount in one account there. */
  readonly writes: readonly { readonly database: string; readonly account: number; readonly amount: number }[];
  /** It fails on purpose when all but the last write are done. */
  readonly refused: boolean;
};

export const accountsPerDatabase = 20;
export const openingBalance = 10_000;

const refusedShare = 0.04;
const singleShare = 0.2;
const movingShare = 0.6;

/** Most transactions span databases, and most of those move an amount: the balances of all databases together stay the same. */
export function planTransaction(random: Random, id: string, databases: readonly string[]): TransactionPlan {
  const first = oneOf(random, databases);
  const others = databases.filter(name => name !== first);
  const account = (): number => wholeBelow(random, accountsPerDatabase);
  const refused = random() < refusedShare;
  if (others.length === 0 || random() < singleShare)
    return { id, writes: [{ database: first, account: account(), amount: 0 }], refused };
  const amount = random() < movingShare ? wholeBelow(random, 100) + 1 : 0;
  const writes = [
    { database: first, account: account(), amount: -amount },
    { database: oneOf(random, others), account: account(), amount },
  ];
  return { id, writes, refused };
}

/** T-SQL only: what the driver's own transactions could not do across instances, the sample load does not do at all. */
export function renderTransaction({ id, writes, refused }: TransactionPlan): string {
  const statements = writes.map(({ database, account, amount }) => {
    const insert = `INSERT INTO [${database}].dbo.DemoLedger (Id, Amount) VALUES ('${id}', ${amount});`;
    const move = `UPDATE [${database}].dbo.DemoAccount SET Balance = Balance + ${amount} WHERE AccountId = ${account};`;
    return amount === 0 ? insert : `${insert} ${move}`;
  });
  if (refused) statements.splice(-1, 0, "THROW 50001, N'refused on purpose by the sample load', 1;");
  return `SET XACT_ABORT ON; BEGIN TRANSACTION; ${statements.join(' ')} COMMIT TRANSACTION;`;
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

export function totalBalanceOf(databases: readonly string[]): bigint {
  return BigInt(databases.length) * BigInt(accountsPerDatabase) * BigInt(openingBalance);
}
