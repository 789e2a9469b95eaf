import { writeSync } from 'node:fs';
import { runMain } from '@holdfast/service';
import { readAllInOneConfig } from './config.ts';
import { createAllInOne } from './service.ts';

/** `node apps/all-in-one/src/main.ts [--data DIR] [--port P]` prints one line of JSON when it is ready: where it answers, and a token. */
await runMain(() => {
  const service = createAllInOne(readAllInOneConfig(process.argv.slice(2), process.env));
  return {
    ...service,
    async start() {
      const started = await service.start();
      const announcement = { ready: true, url: started.url, token: await service.token(), pid: process.pid };
      writeSync(1, `${JSON.stringify(announcement)}\n`);
      return started;
    },
  };
});
