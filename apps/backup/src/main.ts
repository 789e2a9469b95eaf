import { runOrRebuild } from '@holdfast/service/host';
import { environment, readBackupConfig } from './config.ts';
import { createBackup } from './service.ts';

await runOrRebuild(process.argv.slice(2), overrides =>
  createBackup(readBackupConfig(), { env: environment, ...overrides }),
);
