import { readStartConfig } from './config.ts';
import { untilAskedToEnd } from './end.ts';
import { start } from './start.ts';

/** `npm start` and, with `--cluster`, `npm run start:cluster`: until Ctrl-C, or until the sample estate ends by itself. */
async function main(): Promise<void> {
  const config = readStartConfig(process.argv.slice(2), process.env);
  const asked = untilAskedToEnd({ env: process.env });
  const starting = start(config, line => console.error(line));
  starting.catch(() => undefined);
  // Asked to end while it still starts: the children see us go.
  const started = await Promise.race([starting, asked]);
  if (typeof started === 'string') return;
  console.log(started.greeting);
  try {
    await Promise.race([asked, started.failed]);
  } finally {
    console.error('\nStopping …');
    await started.stop();
  }
}

try {
  await main();
  process.exit(0);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
