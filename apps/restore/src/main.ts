import { runMain } from '@holdfast/service';
import { environment, readRestoreConfig } from './config.ts';
import { createRestore } from './service.ts';

await runMain(() => createRestore(readRestoreConfig(), { env: environment }));
