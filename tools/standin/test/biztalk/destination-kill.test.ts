/**
 * The job Restore Databases killed at any change of a file, between a RESTORE and the note of it too: after the next start it goes on by itself and
 * ends where one that was never killed does. `HOLDFAST_TESTS=long`: many places; `STANDIN_SEED` repeats them.
 */
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { randomFrom } from '../random.ts';
import { Pair, type Instance } from '../linked/pair.ts';

const rounds = process.env['HOLDFAST_TESTS'] === 'long' ? 40 : 1;
const seed = Number(process.env['STANDIN_SEED'] ?? Date.now() % 1_000_000);
const random = randomFrom(seed);
const management = 'BizTalkMgmtDb';
const share = '\\\\share\\bts';
const restoreJob = 'BTS Log Shipping - Restore Databases';
const betweenLooksMs = 20;
const deathTakesMs = 10_000;
/** Changes of files at a start, about: some of the deaths lie in it. */
const startTakes = 30;

let pair: Pair;
let source: Instance;

jest.setTimeout(600_000);
beforeAll(async () => {
  pair = await Pair.create();
  await mkdir(join(pair.folder, 'share'));
  source = await pair.start('ONE', { more: more() });
  for (const text of [
    `CREATE DATABASE ${management}; CREATE DATABASE Orders`,
    `EXEC sp_standin_setup_biztalk @management = N'${management}'`,
    `EXEC sp_standin_cover_database @management = N'${management}', @database = N'Orders'`,
    `DECLARE @now datetime = GETUTCDATE(); EXEC ${management}.dbo.sp_BackupAllFull 'BTS', '${share}', @now`,
    ...Array.from({ length: 4 }, () => `EXEC ${management}.dbo.sp_MarkAll 'BTS', '${share}'`),
  ])
    await source.run(text);
});
afterAll(async () => {
  await pair.end();
  await rm(pair.folder, { recursive: true });
});

function more(...rest: readonly string[]): readonly string[] {
  return ['--map', `${share}=${join(pair.folder, 'share')}`, ...rest];
}

/** A destination that has the history and has restored nothing; what it knew before is gone. */
async function fresh(instance: Instance): Promise<void> {
  const found = await instance.run('SELECT name FROM sys.databases WHERE database_id > 4');
  for (const { name } of found) await instance.run(`DROP DATABASE [${String(name)}]`);
  await instance.run(
    `EXEC sp_configure 'show advanced options', 1; RECONFIGURE; EXEC sp_configure 'Ad Hoc Distributed Queries', 1; RECONFIGURE;
     EXEC sp_standin_setup_destination;
     EXEC master.dbo.bts_ConfigureBizTalkLogShipping @nvcDescription = N'DR', @nvcMgmtDatabaseName = N'${management}',
       @nvcMgmtServerName = N'ONE', @SourceServerName = NULL, @fLinkServers = 1;
     EXEC master.dbo.bts_LogShippingGetBackupHistory;
     UPDATE msdb.dbo.sysjobs SET enabled = 0 WHERE name LIKE 'BTS Log Shipping%'`,
  );
}

/** Resolves with the outcome of the run, or undefined when the instance died. */
async function runJob(instance: Instance): Promise<number | undefined> {
  try {
    const [last] = await instance.run('SELECT ISNULL(MAX(instance_id), 0) AS id FROM msdb.dbo.sysjobhistory');
    await instance.run(`EXEC msdb.dbo.sp_start_job @job_name = N'${restoreJob}'`);
    for (;;) {
      const [row] = await instance.run(
        `SELECT run_status FROM msdb.dbo.sysjobhistory WHERE step_id = 0 AND instance_id > ${Number(last?.['id'])}`,
      );
      if (row !== undefined) return Number(row['run_status']);
      await delay(betweenLooksMs);
    }
  } catch (error) {
    // Whoever was killed answers no more; whoever lives and fails is a mistake.
    const died = await Promise.race([instance.ended.then(() => true), delay(deathTakesMs, false, { ref: false })]);
    if (died) return undefined;
    throw error;
  }
}

/** undefined: it died, in its start or in the job. */
async function runDoomed(passing: number): Promise<number | undefined> {
  let doomed: Instance;
  try {
    doomed = await pair.start('TWO', { more: more(), dieAt: `*:${passing}` });
  } catch (error) {
    if (error instanceof Error && error.message === 'it ended before it was ready') return undefined;
    throw error;
  }
  const outcome = await runJob(doomed);
  await doomed.kill();
  return outcome;
}

async function seen(instance: Instance): Promise<unknown> {
  return {
    databases: await instance.run('SELECT name, state_desc FROM sys.databases WHERE database_id > 4 ORDER BY name'),
    pointer: await instance.run('SELECT LastBackupSetId FROM bts_LogShippingLastRestoreSet'),
    restored: await instance.run('SELECT DISTINCT BackupSetId FROM bts_LogShippingHistory WHERE Restored = 1'),
  };
}

it(`goes on after ${rounds} deaths, seed ${seed}`, async () => {
  const places = join(pair.folder, 'places.txt');
  process.env['STANDIN_PLACES'] = places;
  let clean = await pair.start('TWO', { more: more() });
  delete process.env['STANDIN_PLACES'];
  await fresh(clean);
  const count = async (): Promise<number> => (await readFile(places, 'utf8')).split('\n').length;
  const before = await count();
  expect(await runJob(clean)).toBe(1);
  const passings = (await count()) - before;
  const wanted = await seen(clean);
  expect(wanted).toMatchObject({ pointer: [{ LastBackupSetId: '4' }] });
  for (let round = 0; round < rounds; round += 1) {
    await fresh(clean);
    await clean.kill();
    const passing = 1 + Math.floor(random() * (passings + startTakes));
    const outcome = await runDoomed(passing);
    clean = await pair.start('TWO', { more: more() });
    expect(await runJob(clean)).toBe(1);
    expect({ passing, outcome, ...((await seen(clean)) as object) }).toEqual({
      passing,
      outcome,
      ...(wanted as object),
    });
  }
});
