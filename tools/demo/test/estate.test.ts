import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { runBackupJob, startBackupJob } from '../src/estate/backup-job.ts';
import { type Estate, readEstatePorts, startEstate } from '../src/estate/estate.ts';
import { estateFolders } from '../src/estate/folders.ts';
import { crossGroup, databasesOf, management, smallGroup } from '../src/estate/sample-group.ts';
import { connected } from '../src/sql-connection.ts';
import { placesOf } from '../src/workload/places.ts';
import { renderTransaction } from '../src/workload/transaction-plan.ts';
import { readMarks } from '../src/workload/watcher.ts';

let dataFolder: string;
const ending: (() => Promise<unknown>)[] = [];
beforeEach(async () => {
  dataFolder = await mkdtemp(join(tmpdir(), 'holdfast-estate-'));
  ending.push(() => rm(dataFolder, { recursive: true, force: true }));
});
afterEach(async () => {
  for (const end of ending.splice(0).toReversed()) await end();
}, 30_000);

async function start(group = crossGroup): Promise<Estate> {
  const estate = await startEstate(dataFolder, group, () => undefined);
  ending.push(() => estate.stop());
  return estate;
}

/** A transaction from each instance that writes in the other one, and a run of the job. */
async function workOn({ primaries }: Estate, run: string): Promise<void> {
  const places = placesOf(primaries);
  await connected(primaries, 'test', async connections => {
    for (const [{ name: home }, connection] of connections) {
      const writes = ['BizTalkMsgBoxDb', 'Orders'].map(database => ({ database, account: 1, amount: 0 }));
      await connection.rows(renderTransaction({ id: `${run} ${home}`, home, writes, refused: false }, places));
    }
  });
  await connected(primaries.slice(0, 1), 'test', async ([first]) => {
    if (first !== undefined) await runBackupJob(first[1]);
  });
}

async function marksOf({ primaries }: Estate): Promise<ReadonlyMap<string, readonly string[]>> {
  return connected(primaries, 'test', async connections => {
    const all = await Promise.all(connections.map(([{ databases }, own]) => readMarks(own, databases)));
    return new Map(all.flatMap(each => [...each]));
  });
}

describe('the estate', () => {
  it('marks every database of both instances in one job run, and goes on where it was', async () => {
    const first = await start();
    await workOn(first, 'first');
    await first.stop();
    const second = await start();
    expect(second.ports).toEqual(first.ports);
    await workOn(second, 'second');
    const marks = await marksOf(second);
    expect([...marks.keys()]).toEqual(databasesOf(crossGroup));
    expect(marks.get(management)).toHaveLength(2);
    for (const own of marks.values()) expect(own).toEqual(marks.get(management));
  }, 60_000);

  it('is refused when it is another group, or of another version', async () => {
    const estate = await start(smallGroup);
    const { ports } = estate;
    await estate.stop();
    expect(await readEstatePorts(dataFolder, smallGroup)).toEqual(ports);
    const refused = `The sample estate in ${dataFolder} was made by another version or for another group. Remove ${dataFolder}`;
    await expect(start(crossGroup)).rejects.toThrow(refused);
    await writeFile(join(estateFolders(dataFolder).estate, 'estate.json'), JSON.stringify({ ports }));
    await expect(start(smallGroup)).rejects.toThrow(refused);
  }, 60_000);
});

it('tells which step of the job failed, and why', async () => {
  const { primaries } = await start(smallGroup);
  const { share } = estateFolders(dataFolder);
  const { address } = primaries[0];
  const job = startBackupJob({ address, everyMs: 10 });
  ending.push(() => job.stop().catch(() => undefined));
  while (job.runs() < 2) await new Promise(resolve => setTimeout(resolve, 20));
  await rename(share, `${share}.lost`);
  await expect(job.failed).rejects.toThrow(/^Backup BizTalk Server \(BizTalkMgmtDb\), step 3 \(MarkAndBackupLog\): /);
  await expect(job.stop()).rejects.toThrow('step 3');
}, 60_000);
