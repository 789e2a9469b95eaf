/** A mixed workload killed from outside at any instant, again and again on the same files: nothing acknowledged is lost, nothing is half there. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import { startInstance, type Instance } from './instance.ts';
import { observe } from './observation.ts';
import { copyOf, file, makeTemplate, removeWorld } from './template.ts';
import { emptyLedger, follow, randomFrom, work, type Ledger } from './workload.ts';

const everywhere = process.env['HOLDFAST_TESTS'] === 'long';
const rounds = everywhere ? 40 : 4;
const seed = Number(process.env['STANDIN_SEED'] ?? Date.now() % 1_000_000);

async function ids(instance: Instance, database: string): Promise<readonly number[]> {
  return (await instance.rows(`SELECT id FROM ${database}.dbo.t WHERE id > 1000 ORDER BY id`)).map(row =>
    Number(row['id']),
  );
}

/** What is wrong with the instance after its restart. */
async function check(instance: Instance, world: string, ledger: Ledger): Promise<void> {
  const { facts, complaints } = await observe(instance, world);
  const [app, box] = [new Set(await ids(instance, 'App')), new Set(await ids(instance, 'Box'))];
  const marks = `SELECT mark_name + ' in ' + database_name AS told FROM msdb.dbo.logmarkhistory WHERE mark_name LIKE 'w%'`;
  expect({
    complaints,
    lost: [...ledger.acknowledged].filter(id => !app.has(id)),
    fromNowhere: [...app].filter(id => !ledger.sent.has(id)),
    inOneOnly: [...ledger.marked].filter(id => app.has(id) !== box.has(id)),
    lostBackups: [...ledger.madeLogs].filter(
      name => !facts.has(`msdb ${name}.bak`) || facts.get(`file ${name}.bak`) !== 'whole',
    ),
    databases: [...ledger.databases].filter(
      ([name, state]) => state !== undefined && facts.has(`database ${name}`) !== (state === 'there'),
    ),
    marks: (await instance.rows(marks)).map(row => row['told']).sort(),
  }).toEqual({
    complaints: [],
    lost: [],
    fromNowhere: [],
    inOneOnly: [],
    lostBackups: [],
    databases: [],
    marks: [...ledger.marked]
      .filter(id => app.has(id))
      .flatMap(id => [`w${id} in App`, `w${id} in Box`])
      .sort(),
  });
}

/** Every answered statement with its end, every row with the start of the statement that made it. */
async function checkStatementLog(instance: Instance, world: string, ledger: Ledger): Promise<void> {
  const lines = readFileSync(join(world, 'instance', 'log', 'statements.jsonl'), 'utf8')
    .split('\n')
    .slice(0, -1);
  const entries = lines.map(line => JSON.parse(line) as { readonly text: string; readonly outcome: string });
  const ended = new Set(entries.filter(entry => entry.outcome === 'ok').map(entry => entry.text));
  const begun = new Set(entries.filter(entry => entry.outcome === 'started').map(entry => entry.text));
  const last = (batch: string): string => batch.split('; ').at(-1) ?? '';
  expect(ledger.answered.filter(batch => !batch.startsWith('IF ') && !ended.has(last(batch)))).toEqual([]);
  const inserts = new Set(
    [...begun].flatMap(text => /^INSERT App\.dbo\.t VALUES \((\d+),/.exec(text)?.[1] ?? []).map(Number),
  );
  expect((await ids(instance, 'App')).filter(id => !inserts.has(id))).toEqual([]);
}

it(
  `keeps its word through ${rounds} kills (STANDIN_SEED=${seed})`,
  async () => {
    process.stdout.write(`random kills: STANDIN_SEED=${seed}\n`);
    const random = randomFrom(seed);
    const template = await makeTemplate();
    const world = copyOf(template);
    removeWorld(template);
    const ledger = emptyLedger();
    for (let round = 0; round < rounds; round += 1) {
      const victim = await startInstance(world);
      const working = work(victim.port, ledger, random).catch((failure: unknown) => failure);
      await delay(30 + random() * (everywhere ? 1500 : 500));
      await victim.kill();
      expect(await working).toBeUndefined();
      const instance = await startInstance(world);
      await check(instance, world, ledger);
      await checkStatementLog(instance, world, ledger);
      await instance.kill();
    }
    // Over all the crashes the chain has no hole: what followed by log alone is what was followed.
    const instance = await startInstance(world);
    await instance.run(`BACKUP LOG App TO ${file('w-log-last')} WITH CHECKSUM`);
    await follow(statement => instance.run(statement), [...ledger.logs, 'w-log-last']);
    await instance.run('RESTORE DATABASE Copy WITH RECOVERY');
    expect(await ids(instance, 'Copy')).toEqual(await ids(instance, 'App'));
    await instance.kill();
    removeWorld(world);
  },
  everywhere ? 1_800_000 : 120_000,
);
