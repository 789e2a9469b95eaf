import { backUp, backUpLog, insert, restoreCopy, restoreLogCopy, startChain, type Bench } from './bench.ts';
import type { Strikes } from './strike.ts';

/** A log backup, whether it follows its full, and how many backups of somebody else there are since. */
async function logOfChain(bench: Bench, database: string): Promise<unknown> {
  const foreign = (): Promise<number> =>
    bench.count("msdb.dbo.backupmediafamily WHERE physical_device_name LIKE N'%foreign%'");
  const sets = (): Promise<number> => bench.count(`msdb.dbo.backupset WHERE database_name = N'${database}'`);
  const before = await sets();
  const backedUp = await backUpLog(bench, database);
  const since = (await sets()) - before;
  return [
    backedUp,
    await restoreCopy(bench, database),
    await restoreLogCopy(bench, database),
    since,
    (await foreign()) > 0,
  ];
}

async function differentialOfChain(bench: Bench, database: string): Promise<unknown> {
  const device = bench.device(`${database}diff`);
  const backedUp = await bench.errors(`BACKUP DATABASE ${database} TO DISK = N'${device}' WITH DIFFERENTIAL`);
  return [
    backedUp,
    await restoreCopy(bench, database),
    await bench.errors(`RESTORE DATABASE ${database}_copy FROM DISK = N'${device}' WITH NORECOVERY`),
  ];
}

async function withHistory(bench: Bench, table: string, work: () => Promise<unknown>): Promise<unknown> {
  const before = await bench.count(`msdb.dbo.${table}`);
  return [await work(), (await bench.count(`msdb.dbo.${table}`)) - before];
}

/** How often pages with a wrong checksum were found meanwhile. */
async function withFound(bench: Bench, database: string, work: () => Promise<unknown>): Promise<unknown> {
  const found = async (): Promise<number> => {
    const pages = `msdb.dbo.suspect_pages WHERE database_id = DB_ID(N'${database}') AND file_id = 1 AND page_id = 7`;
    const [row] = await bench.rows(`SELECT SUM(error_count) AS found FROM ${pages} AND event_type = 2`);
    return Number(row?.['found'] ?? 0);
  };
  const before = await found();
  return [await work(), (await found()) - before];
}

async function restoreOnline(bench: Bench, database: string): Promise<unknown> {
  const errors = await restoreCopy(bench, database, 'RECOVERY');
  const [row] = await bench.rows(`SELECT state_desc AS s FROM sys.databases WHERE name = N'${database}_copy'`);
  return [errors, row?.['s']];
}

const restorable = async (bench: Bench, place: string): Promise<void> => {
  await startChain(bench, place);
  await restoreCopy(bench, place);
};

/** What looks at the last backup alone, what reads it, and its RESTORE. */
async function readAndRestore(bench: Bench, place: string): Promise<unknown> {
  const answers = [];
  for (const kind of ['HEADERONLY', 'LABELONLY', 'FILELISTONLY', 'VERIFYONLY'])
    answers.push(await bench.errors(`RESTORE ${kind} FROM DISK = N'${bench.last(place)}'`));
  return [...answers, await restoreCopy(bench, place)];
}

export const databaseStrikes: Strikes<Bench> = {
  'lsn-gap': {
    parameters: { database: 'A' },
    prepare: startChain,
    act: logOfChain,
    normal: [[], [], [], 1, false],
    faulty: [[], [], ['4305', '3013'], 1, false],
    sparesB: true,
  },
  'foreign-full-backup': {
    parameters: { database: 'A' },
    prepare: startChain,
    act: differentialOfChain,
    normal: [[], [], []],
    faulty: [[], [], ['3136', '3013']],
    sparesB: true,
  },
  'recovery-model-flip': {
    parameters: { database: 'A' },
    prepare: startChain,
    act: backUpLog,
    normal: [],
    faulty: ['4214', '3013'],
    sparesB: true,
  },
  'history-insert-fails': {
    parameters: { database: 'A' },
    act: (bench, place) => withHistory(bench, 'backupset', () => backUp(bench, place)),
    normal: [[], 1],
    faulty: [['3009'], 0],
    sparesB: true,
  },
  'history-lost': {
    parameters: { database: 'A' },
    act: (bench, place) => withHistory(bench, 'backupset', () => backUp(bench, place)),
    normal: [[], 1],
    faulty: [[], 0],
    sparesB: true,
  },
  'newer-backup': {
    parameters: { path: '*\\A_*' },
    prepare: startChain,
    act: readAndRestore,
    normal: [[], [], [], [], []],
    faulty: [[], [], ['3169', '3013'], ['3169', '3013'], ['3169', '3013']],
    sparesB: true,
    manyHits: true,
  },
  'missing-certificate': {
    parameters: { path: '*\\A_*' },
    prepare: startChain,
    act: readAndRestore,
    normal: [[], [], [], [], []],
    faulty: [[], [], ['33111', '3013'], ['33111', '3013'], ['33111', '3013']],
    sparesB: true,
    manyHits: true,
  },
  'database-in-use': {
    parameters: { database: 'A_copy' },
    prepare: restorable,
    act: restoreCopy,
    normal: [],
    faulty: ['3101', '3013'],
    sparesB: true,
  },
  'backup-serialised': {
    parameters: { database: 'A' },
    prepare: startChain,
    act: async (bench, place) => [await backUp(bench, place), await backUpLog(bench, place)],
    normal: [[], []],
    faulty: [['3023', '3013'], []],
    sparesB: true,
  },
  'damaged-page': {
    parameters: { database: 'A', page: 7 },
    act: (bench, place) =>
      withFound(bench, place, async () => [
        await backUp(bench, place, 'FORMAT'),
        await backUp(bench, place, 'FORMAT, CHECKSUM'),
      ]),
    normal: [[[], []], 0],
    faulty: [[[], ['3043', '3013']], 1],
    sparesB: true,
  },
  'damaged-log': {
    parameters: { database: 'A' },
    prepare: startChain,
    act: async (bench, place) => [await backUpLog(bench, place), await backUp(bench, place, 'FORMAT')],
    normal: [[], []],
    faulty: [['3049', '3013'], []],
    sparesB: true,
  },
  'restore-denied': {
    parameters: { login: 's*', database: 'A_copy' },
    prepare: startChain,
    act: restoreCopy,
    normal: [],
    faulty: ['3110', '3013'],
    sparesB: true,
  },
  'unresolved-outcome': {
    parameters: { database: 'A_copy' },
    prepare: startChain,
    act: restoreOnline,
    normal: [[], 'ONLINE'],
    faulty: [['3437', '3431', '3414', '3013'], 'SUSPECT'],
    sparesB: true,
  },
  'log-full': { parameters: { database: 'A' }, act: insert, normal: [], faulty: ['9002'], sparesB: true },
  'availability-group': {
    parameters: { database: 'A_copy' },
    prepare: restorable,
    act: restoreCopy,
    normal: [],
    faulty: ['3104', '3013'],
    sparesB: true,
  },
  // Last: from here on the default backup folder has a device of somebody else.
  'foreign-log-backup': {
    parameters: { database: 'A' },
    prepare: startChain,
    act: async (bench, place) => ((await logOfChain(bench, place)) as unknown[]).slice(0, 4),
    normal: [[], [], [], 1],
    faulty: [[], [], ['4305', '3013'], 2],
    sparesB: true,
  },
};
