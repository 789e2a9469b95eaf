/**
 * For crash.test.ts: works on an instance until it is killed. Prints `ok <n>` when transaction n is committed: a row n in A and in B, marked for
 * every tenth. All the while other transactions insert negative ids and never commit.
 */
import { createEngine } from './engine.ts';
import { createSession, engineOptions, makeTable } from './engine-fixture.ts';
import type { Engine, Table } from '../contract.ts';

const [folder = '', firstText = '0'] = process.argv.slice(2);
const engine = await createEngine(engineOptions(folder));
const tables = [await tableIn('A'), await tableIn('B')];
let next = Number(firstText);

await Promise.all([worker(51), worker(52), worker(53), loser(61), loser(62)]);

async function tableIn(name: string): Promise<Table> {
  const owner = createSession(engine, 40, 'master');
  const database = engine.database(name) ?? (await engine.createDatabase(owner, name, undefined));
  const table = database.table('dbo', 't') ?? (await makeTable(engine, owner, database));
  await engine.detach(owner);
  return table;
}

async function worker(spid: number): Promise<void> {
  const session = createSession(engine, spid, 'master');
  for (;;) {
    next += 1;
    const id = next;
    const transaction = engine.begin(session, `t${id}`);
    if (id % 10 === 0) transaction.mark(`mark ${id}`, undefined);
    for (const table of tables) await transaction.insert(table, [BigInt(id), 'x'.repeat(4000)]);
    await transaction.commit();
    process.stdout.write(`ok ${id}\n`);
  }
}

async function loser(spid: number): Promise<void> {
  const session = createSession(engine, spid, 'master');
  for (let round = 1; ; round += 1) {
    const transaction = engine.begin(session, undefined);
    for (const table of tables) await transaction.insert(table, [BigInt(-spid * 1_000_000 - round), 'never']);
    await flushed(engine);
    if (round % 2 === 0) await transaction.rollback();
    else return;
  }
}

/** Lets the open transaction's records reach the log files with the next batch. */
async function flushed(of: Engine): Promise<void> {
  const before = of.database('A')?.nextLsn;
  while (of.database('A')?.nextLsn === before) await new Promise(setImmediate);
}
