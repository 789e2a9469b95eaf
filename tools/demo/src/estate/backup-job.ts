import { connect, isRefusal, type SqlAddress, type SqlConnection, type SqlRow } from '../sql-connection.ts';
import { pause, repeat, type Repeating } from '../workload/repeating.ts';
import { backupJobName } from './sample-group.ts';

/** A run of the job that ended otherwise than well. */
export class JobFailed extends Error {
  override readonly name = 'JobFailed';
}

const lookEveryMs = 100;
const runLimitMs = 60_000;
const succeeded = 1;

/** One run, as an operator starts it, until Agent has written how it ended. @throws JobFailed with the messages of the steps that failed. */
export async function runBackupJob(connection: SqlConnection): Promise<void> {
  const [before] = await connection.rows('SELECT MAX(instance_id) AS Last FROM msdb.dbo.sysjobhistory');
  await connection.rows(`EXEC msdb.dbo.sp_start_job @job_name = N'${backupJobName}'`);
  const limit = AbortSignal.timeout(runLimitMs);
  while (!limit.aborted) {
    const rows = await historySince(connection, Number(before?.['Last'] ?? 0));
    // Agent writes the outcome of the job, step 0, when all its steps are written.
    const outcome = rows.find(row => row['step_id'] === 0);
    if (outcome !== undefined) {
      if (outcome['run_status'] !== succeeded) throw new JobFailed(describe(rows));
      return;
    }
    await pause(lookEveryMs, limit);
  }
  throw new JobFailed(`${backupJobName} did not end within ${runLimitMs} ms.`);
}

function historySince(connection: SqlConnection, last: number): Promise<readonly SqlRow[]> {
  return connection.rows(
    `SELECT h.step_id, h.step_name, h.run_status, h.message FROM msdb.dbo.sysjobhistory AS h
     INNER JOIN msdb.dbo.sysjobs AS j ON j.job_id = h.job_id
     WHERE j.name = N'${backupJobName}' AND h.instance_id > ${last} ORDER BY h.instance_id`,
  );
}

function describe(rows: readonly SqlRow[]): string {
  const failed = rows.filter(row => row['run_status'] !== succeeded);
  return failed
    .map(
      row =>
        `${backupJobName}, step ${String(row['step_id'])} (${String(row['step_name'])}): ${String(row['message'])}`,
    )
    .join('\n');
}

export type BackupJob = Repeating & {
  /** Runs that ended well. */
  runs(): number;
};

export type BackupJobOptions = {
  /** Of the instance with the Management database. */
  readonly address: SqlAddress;
  readonly everyMs: number;
  /** Before each run: resolves when it may start. */
  readonly mayRun?: (signal: AbortSignal) => Promise<void>;
};

/** Has Agent run the job every few seconds until it is stopped. A run that fails ends the loop: in the sample estate nothing may fail. */
export function startBackupJob({ address, everyMs, mayRun }: BackupJobOptions): BackupJob {
  let open: SqlConnection | undefined;
  let runs = 0;
  const stop = new AbortController();
  const run = async (): Promise<void> => {
    await mayRun?.(stop.signal);
    if (stop.signal.aborted) return;
    open ??= await connect(address, 'backup job');
    try {
      await runBackupJob(open);
      runs += 1;
    } catch (error) {
      if (givesUp(error)) throw error;
      // The server is gone; the next run connects anew.
      await open.close();
      open = undefined;
    }
  };
  const loop = repeat(run, everyMs, error => {
    if (givesUp(error)) throw error;
  });
  return {
    failed: loop.failed,
    runs: () => runs,
    async stop() {
      stop.abort();
      try {
        await loop.stop();
      } finally {
        await open?.close();
      }
    },
  };
}

function givesUp(error: unknown): boolean {
  return error instanceof JobFailed || isRefusal(error);
}
