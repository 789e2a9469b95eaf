import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { untilAskedToEnd, writeAnnouncement } from '@holdfast/run';
import { seededRandom } from '../random.ts';
import { noRecorder } from '../workload/journal.ts';
import { startLoad } from '../workload/load.ts';
import { startBackupJob } from './backup-job.ts';
import { startEstate } from './estate.ts';
import { wholeGroup } from './sample-group.ts';

const connections = 4;
const pauseMs = 1_000;
const backupEveryMs = 15_000;

/** `--data DIR`: the sample estate under light load, until it is asked to end. */
async function main(): Promise<void> {
  const { values } = parseArgs({ options: { data: { type: 'string' } } });
  if (values.data === undefined) throw new Error('--data is needed.');
  const asked = untilAskedToEnd({ env: process.env });
  const estate = await startEstate(resolve(values.data), wholeGroup, line => console.log(line));
  const { primaries, standbys } = estate;
  const startedAt = Date.now();
  const load = startLoad({
    servers: primaries,
    connections,
    pauseMs,
    random: seededRandom(startedAt),
    journal: noRecorder,
    run: String(startedAt),
  });
  const job = startBackupJob({ address: primaries[0].address, everyMs: backupEveryMs });
  writeAnnouncement({ pid: process.pid });
  const ended = Promise.race([...primaries, ...standbys].map(({ process: server }) => server.exited)).then(() => {
    throw new Error('An instance ended by itself.');
  });
  try {
    const reason = await Promise.race([asked, ended, job.failed, load.failed]);
    console.log(`stopping: ${reason}`);
  } finally {
    // What made one of them give up is thrown already.
    await Promise.allSettled([job.stop(), load.stop()]);
    await estate.stop();
  }
}

try {
  await main();
  process.exit(0);
} catch (error) {
  console.error(error);
  process.exit(1);
}
