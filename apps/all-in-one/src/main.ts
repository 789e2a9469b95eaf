import { runMain } from '@holdfast/service';
import { readAllInOneConfig } from './config.ts';
import { createRebuildInOne } from './rebuild.ts';
import { createAllInOne } from './service.ts';

/**
 * `node apps/all-in-one/src/main.ts [--data DIR] [--port P]` prints one line of JSON when it is ready: where it answers, and a token. With
 * `--rebuild SERVICE` it fills that service's projections again, prints what it did and ends.
 */
await runMain(() => {
  const config = readAllInOneConfig(process.argv.slice(2), process.env);
  return config.rebuild === undefined ? createAllInOne(config) : createRebuildInOne(config, config.rebuild);
});
