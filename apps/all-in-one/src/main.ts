import { writeSync } from 'node:fs';
import { runMain } from '@holdfast/service';
import { readAllInOneConfig } from './config.ts';
import { holdAt } from './hold.ts';
import { createAllInOne } from './service.ts';

/** `node apps/all-in-one/src/main.ts [--data DIR] [--port P]` prints one line of JSON when it is ready: where it answers, and a token. */
await runMain(() => {
  const place = process.env['HOLDFAST_TEST_HOLD_AT'];
  const tell = (heldAt: string): unknown => writeSync(2, `${JSON.stringify({ heldAt })}\n`);
  const overrides = place === undefined ? {} : { hook: holdAt(place, tell) };
  const service = createAllInOne(readAllInOneConfig(process.argv.slice(2), process.env), overrides);
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
