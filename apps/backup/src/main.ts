import { runMain } from '@holdfast/service';
import { environment, readBackupConfig } from './config.ts';
import { createBackup } from './service.ts';

await runMain(() => createBackup(readBackupConfig(), { env: environment }));
