import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { untilAskedToEnd, writeAnnouncement } from '@holdfast/run';
import { seededRandom } from '../random.ts';
import { noRecorder } from '../workload/journal.ts';
import { startLoad } from '../workload/load.ts';
import { startBackupJob } from './backup-job.ts';
import { startEstate } from './estate.ts';
import { databases } from './sample-group.ts';

const connections = 4;
const pauseMs = 1_000;
const backupEveryMs = 15_000;

/** `--data DIR`: the sample estate under light load, until it is asked to end. */
async function main(): Promise<void> {
  const { values } = parseArgs({ options: { data: { type: 'string' } } });
  if (values.data === undefined) throw new Error('--data is needed.');
  const asked = untilAskedToEnd({ env: process.env });
  const estate = await startEstate(resolve(values.data), line => console.log(line));
  const { address, process: server } = estate.primary;
  const startedAt = Date.now();
  const load = startLoad({
    address,
    databases,
    connections,
    pauseMs,
    random: seededRandom(startedAt),
    journal: noRecorder,
    run: String(startedAt),
  });
  const job = startBackupJob(address, backupEveryMs);
  writeAnnouncement({ pid: process.pid });
  const ended = Promise.race([server.exited, estate.standby.process.exited]).then(() => 'an instance ended by itself');
  const reason = await Promise.race([asked, ended]);
  console.log(`stopping: ${reason}`);
  await job.stop();
  await load.stop();
  await estate.stop();
  if (reason === 'an instance ended by itself') throw new Error(reason);
}

try {
  await main();
  process.exit(0);
} catch (error) {
  console.error(error);
  process.exit(1);
}
