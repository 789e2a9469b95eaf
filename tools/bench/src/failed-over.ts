import { randomUUID } from 'node:crypto';
import { connected, failoverInput, management, startBackupJob } from '@holdfast/demo';
import { setTimeout as pause } from 'node:timers/promises';
import { type ProtectedEstate, until } from './protected-estate.ts';
import { readStatements, restoredDatabase } from './statements.ts';

const limitMs = 180_000;
const textBytes = 4_000;

/** Gives every database rows of 4,000 bytes, a power of two of them, and has the backup job take them: the newest log set holds them all. */
export async function fillAndBackUp(
  { estate: { primaries } }: ProtectedEstate,
  rowsOf: (database: string) => number,
): Promise<string> {
  return connected(primaries, 'bench fill', async all => {
    await Promise.all(
      all.map(async ([{ databases }, connection]) => {
        for (const name of databases) {
          const [rows, table] = [rowsOf(name), `[${name}].dbo.BenchFill`];
          await connection.rows(
            `USE [${name}]; CREATE TABLE dbo.BenchFill (Id int NOT NULL PRIMARY KEY, Text varchar(4000) NOT NULL);`,
          );
          await connection.rows(`INSERT INTO ${table} (Id, Text) VALUES (0, REPLICATE('x', ${textBytes}))`);
          for (let there = 1; there < rows; there *= 2)
            await connection.rows(`INSERT INTO ${table} (Id, Text) SELECT Id + ${there}, Text FROM ${table}`);
        }
      }),
    );
    await runJobOnce(primaries[0].address);
    const [, connection] = all[0] ?? [];
    const [row] =
      (await connection?.rows(`SELECT MAX(MarkName) AS Mark FROM [${management}].dbo.adm_BackupHistory`)) ?? [];
    return String(row?.['Mark']);
  });
}

async function runJobOnce(address: Parameters<typeof startBackupJob>[0]['address']): Promise<void> {
  const job = startBackupJob({ address, everyMs: limitMs });
  try {
    const ran = until(
      limitMs,
      () => 'The backup job did not end.',
      async () => (job.runs() >= 1 ? true : undefined),
    );
    await Promise.race([ran, job.failed]);
  } finally {
    await job.stop();
  }
}

const quietMs = 2_000;

/** Waits until the standby's instances have had no RESTORE for a while, and none runs. */
export async function untilIdle({ estate }: ProtectedEstate): Promise<void> {
  let last = '';
  let since = performance.now();
  await until(
    limitMs,
    () => 'Shipping did not come to rest.',
    async () => {
      const restores = (await Promise.all(estate.standbys.map(each => readStatements(each.statementLog))))
        .flat()
        .filter(({ text }) => restoredDatabase(text) !== undefined);
      const begun = restores.filter(({ outcome }) => outcome === 'started').length;
      const now = `${begun} of ${restores.length}`;
      if (now !== last || begun * 2 !== restores.length) since = performance.now();
      last = now;
      await pause(100);
      return performance.now() - since >= quietMs ? true : undefined;
    },
  );
}

const endStates = ['COMPLETED', 'FAILED', 'CANCELLED', 'AWAITING_OPERATOR'];

/** Asks for the failover and follows it until every database is open and verified. Answers the seconds. @throws Error with its reasons. */
export async function failOver({ holdfast, registered }: ProtectedEstate): Promise<number> {
  const client = holdfast.client();
  const input = failoverInput(registered, randomUUID());
  const startedAt = performance.now();
  const id = await until(
    limitMs,
    () => 'The failover was not accepted.',
    async () => {
      const { startFailover: answer } = await client.ask<{
        startFailover: { __typename: string; id?: string; message?: string };
      }>(
        `mutation ($input: StartFailoverInput!) { startFailover(input: $input) {
        __typename ... on Execution { id } ... on Refusal { message } } }`,
        { input },
      );
      if (answer.__typename === 'NotYetKnown') return undefined;
      if (answer.id === undefined) throw new Error(`Refused with ${answer.__typename}: ${answer.message ?? ''}`);
      return answer.id;
    },
  );
  const { execution } = await client.follow<{ execution: { state: string; steps: unknown } }>(
    'subscription ($id: ID!) { execution(id: $id) { state steps { name state reasons { code message } } } }',
    { id },
    ({ execution: { state } }) => state === 'REFERENCING' || endStates.includes(state),
    limitMs,
  );
  const seconds = (performance.now() - startedAt) / 1_000;
  if (execution.state !== 'REFERENCING' && execution.state !== 'COMPLETED')
    throw new Error(`The failover stands at ${execution.state}: ${JSON.stringify(execution.steps)}`);
  return seconds;
}
