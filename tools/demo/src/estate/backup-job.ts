import { connect, isRefusal, type SqlAddress, type SqlConnection } from '../sql-connection.ts';
import { repeat, type Repeating } from '../workload/repeating.ts';
import { backupPath, management, markPrefix } from './sample-group.ts';

/** The four steps of BizTalk's job in its order, as it ships (biztalk-dr.md §2.1). Success of a step starts the next one. */
export const jobSteps: readonly string[] = [
  'EXEC dbo.sp_SetBackupCompression @bCompression = 0',
  `EXEC dbo.sp_BackupAllFull_Schedule N'd', N'${markPrefix}', N'${backupPath}', 0, NULL`,
  `EXEC dbo.sp_MarkAll N'${markPrefix}', N'${backupPath}'`,
  'EXEC dbo.sp_DeleteBackupHistory @DaysToKeep = 14',
];

export async function runBackupJob(connection: SqlConnection): Promise<void> {
  for (const step of jobSteps) await connection.rows(`USE [${management}]; ${step};`);
}

export type BackupJob = Repeating & {
  /** Runs that ended well. */
  runs(): number;
};

/** Starts the job every few seconds until it is stopped. A run that the server refuses ends the loop: in the sample estate nothing may fail. */
export function startBackupJob(address: SqlAddress, everyMs: number): BackupJob {
  let open: SqlConnection | undefined;
  let runs = 0;
  const run = async (): Promise<void> => {
    const connection = (open ??= await connect(address, 'backup job'));
    try {
      await runBackupJob(connection);
      runs += 1;
    } catch (error) {
      if (isRefusal(error)) throw error;
      // The server is gone; the next run connects anew.
      open = undefined;
      await connection.close();
    }
  };
  const loop = repeat(run, everyMs, error => {
    if (isRefusal(error)) throw error;
  });
  return {
    runs: () => runs,
    async stop() {
      await loop.stop();
      await open?.close();
    },
  };
}
