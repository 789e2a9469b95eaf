import { fileURLToPath } from 'node:url';

export const fromRoot = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

/** Main modules by name. They are run, never imported. */
export const programs = {
  allInOne: fromRoot('apps/all-in-one/src/main.ts'),
  prepare: fromRoot('apps/all-in-one/src/prepare/main.ts'),
  estate: fromRoot('tools/demo/src/estate/main.ts'),
  protect: fromRoot('tools/demo/src/protect/main.ts'),
  kafka: fromRoot('tools/kafka/src/main.ts'),
  inventory: fromRoot('apps/inventory/src/main.ts'),
  backup: fromRoot('apps/backup/src/main.ts'),
  shipping: fromRoot('apps/shipping/src/main.ts'),
  restore: fromRoot('apps/restore/src/main.ts'),
  gateway: fromRoot('apps/gateway/src/main.ts'),
} as const;
