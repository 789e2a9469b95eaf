import { join } from 'node:path';
import { runBackupJob } from '../estate/backup-job.ts';
import type { Estate } from '../estate/estate.ts';
import { estateFolders } from '../estate/folders.ts';
import { backupPath, databasesOf, management } from '../estate/sample-group.ts';
import type { GatewayClient } from '../gateway-client.ts';
import { outcomeOf, patienceMs, type Union, until } from '../protect/answers.ts';
import { untilInSync } from '../protect/in-sync.ts';
import type { Protected } from '../protect/protect.ts';
import { oneOf, type Random } from '../random.ts';
import { connected, type SqlConnection } from '../sql-connection.ts';
import { type Damage, damageFile } from './damage.ts';

/** The newest set of the run, damaged in one database before the standby had a copy of it. */
export type BrokenSet = {
  readonly damage: Damage;
  readonly database: string;
  /** The file's name, without the folder that everybody sees differently. */
  readonly file: string;
  /** Of the set that is broken, and of the one before it. */
  readonly mark: string;
  readonly markBefore: string;
  /** Database → its file in the set before. */
  readonly filesBefore: ReadonlyMap<string, string>;
  /** What the ledger says of the broken set's mark; undefined when nothing but a restore can find the damage. */
  readonly verdict: PointVerdict | undefined;
};

export type PointVerdict = {
  readonly markName: string;
  readonly verdict: string;
  readonly reasons: readonly { readonly code: string; readonly message: string; readonly evidence: string | null }[];
};

export type BrokenSetOptions = {
  readonly estate: Estate;
  readonly dataFolder: string;
  readonly client: GatewayClient;
  readonly registered: Protected;
  readonly damage: Damage;
  readonly random: Random;
  /** Before the run of the job: resolves when it may start. */
  readonly mayRun: () => Promise<void>;
};

/**
 * Has the job make exactly one more set and damages it in one database while the standby is paused, so that nothing of it is copied before.
 * Nobody else may run the job meanwhile. Resolves when everybody has seen what can be seen of it: the ledger that a file is cut off or
 * missing; the standby that it has copies of the whole set, when the damage is out of sight.
 */
export async function breakNewestSet(options: BrokenSetOptions): Promise<BrokenSet> {
  const { estate, dataFolder, client, registered, damage, random, mayRun } = options;
  const { standbyId } = registered;
  return connected([estate.primaries[0]], 'broken set', async ([open]) => {
    const [, connection] = open ?? [];
    if (connection === undefined) throw new Error('There is no source instance.');
    const before = await newestSet(connection);
    await untilInSync(client, standbyId, { mark: before.mark });
    await change(client, 'pauseStandby', 'PauseStandbyInput', { standbyId, reason: 'The demo damages a backup.' });
    await mayRun();
    await runBackupJob(connection);
    const newest = await newestSet(connection);
    const database = oneOf(random, databasesOf(estate.group));
    const file = newest.files.get(database);
    if (newest.mark === before.mark || file === undefined)
      throw new Error(`The job made no set with ${database} after ${before.mark}.`);
    await damageFile(join(estateFolders(dataFolder).share, file), damage);
    await change(client, 'resumeStandby', 'ResumeStandbyInput', { standbyId });
    const known = { damage, database, file, mark: newest.mark, markBefore: before.mark, filesBefore: before.files };
    if (damage !== 'rotten') return { ...known, verdict: await untilBroken(client, registered, newest.mark) };
    await untilShipped(client, registered, newest.mark);
    return { ...known, verdict: undefined };
  });
}

/** As the source's history has it: its mark, and the file of each database. */
async function newestSet(connection: SqlConnection) {
  const rows = await connection.rows(
    `SELECT MarkName, DatabaseName, BackupFileName, BackupFileLocation FROM [${management}].dbo.adm_BackupHistory
     WHERE BackupType = 'lg' AND BackupSetId = (SELECT MAX(BackupSetId) FROM [${management}].dbo.adm_BackupHistory WHERE BackupType = 'lg')`,
  );
  const stray = rows.find(row => String(row['BackupFileLocation']).replace(/\\$/, '') !== backupPath);
  if (rows.length === 0 || stray !== undefined)
    throw new Error(`The newest log set is not in ${backupPath}: ${JSON.stringify(rows)}.`);
  return {
    mark: String(rows[0]?.['MarkName']),
    files: new Map(rows.map(row => [String(row['DatabaseName']), String(row['BackupFileName'])])),
  };
}

async function change(
  client: GatewayClient,
  mutation: string,
  type: string,
  input: Readonly<Record<string, unknown>>,
): Promise<void> {
  const { answer } = await client.ask<{ answer: Union }>(
    `mutation ($input: ${type}!) { answer: ${mutation}(input: $input) {
      __typename ... on Standby { id } ... on Refusal { message fix } } }`,
    { input },
  );
  outcomeOf(answer, 'Standby');
}

function untilBroken(client: GatewayClient, { groupId }: Protected, mark: string): Promise<PointVerdict> {
  return within(`The ledger did not call ${mark} BROKEN.`, async () => {
    const { recoveryPoints } = await client.ask<{ recoveryPoints: { nodes: readonly PointVerdict[] } | null }>(
      `query ($groupId: ID!) { recoveryPoints(groupId: $groupId, first: 3) {
        nodes { markName verdict reasons { code message evidence } } } }`,
      { groupId },
    );
    return recoveryPoints?.nodes.find(({ markName, verdict }) => markName === mark && verdict === 'BROKEN');
  });
}

function untilShipped(client: GatewayClient, { standbyId }: Protected, mark: string): Promise<true> {
  return within(`The standby had no whole copies of the set of ${mark}.`, async () => {
    const { standby } = await client.ask<{ standby: Shipped | null }>(
      'query ($id: ID!) { standby(id: $id) { group { rpo { shipped { markName } } } } }',
      { id: standbyId },
    );
    return standby?.group?.rpo?.shipped.markName === mark ? true : undefined;
  });
}

function within<T>(otherwise: string, ask: () => Promise<T | undefined>): Promise<T> {
  return until(patienceMs, ask).catch((error: unknown) => {
    throw new Error(otherwise, { cause: error });
  });
}

type Shipped = {
  readonly group: { readonly rpo: { readonly shipped: { readonly markName: string | null } } | null } | null;
};
