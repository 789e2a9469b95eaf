import { runOrRebuild } from '@holdfast/service/host';
import { environment, readRestoreConfig } from './config.ts';
import { createRestore } from './service.ts';

await runOrRebuild(process.argv.slice(2), overrides =>
  createRestore(readRestoreConfig(), { env: environment, ...overrides }),
);
