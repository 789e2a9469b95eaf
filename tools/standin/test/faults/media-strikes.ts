import { backUp, backUpLog, readHeader, restoreCopy, startChain, type Bench } from './bench.ts';
import type { Collected } from '../../src/engine/engine-fixture.ts';
import type { Strikes } from './strike.ts';

/** A BACKUP, what its header says afterwards, and whether its database can be restored from it. */
async function backUpAndRead(bench: Bench, database: string): Promise<unknown> {
  return [await backUp(bench, database), await readHeader(bench, database), await restoreCopy(bench, database)];
}

/** Whether it told more percentages on its way than so small a database has chunks; then it need not take its time any longer. */
async function goesSlowly(bench: Bench, fault: string, text: string): Promise<boolean> {
  const told = ({ messages }: Collected): number => messages.filter(({ number }) => number === 3211).length;
  const most = 6;
  const sink = await bench.run(text, undefined, each => {
    if (told(each) > most) bench.faults.clear(fault);
  });
  return told(sink) > most;
}

/** What both ways of looking for the last backup see, whether a folder can be made beside it, and whether a BACKUP writes there. */
async function useFolder(bench: Bench, place: string): Promise<unknown> {
  const file = bench.last(place);
  const seen = [
    ...(await bench.rows(`SELECT * FROM sys.dm_os_file_exists(N'${file}')`)),
    ...(await bench.rows(`EXEC master.dbo.xp_fileexist N'${file}'`)),
  ].map(row => Object.values(row).join('/'));
  return [seen, await bench.errors(`EXEC master.sys.xp_create_subdir N'${file}_more'`), await backUp(bench, place)];
}

const usable = [['1/0/1', '1/0/1'], [], []];
const unusable = (error: number): unknown => [['0/0/0', '0/0/0'], [`22048/${error}`], [`3201/${error}`, '3013']];

const fine = [[], [], []];
const backedUp = (bench: Bench, place: string): Promise<unknown> => backUp(bench, place);

export const mediaStrikes: Strikes<Bench> = {
  'share-down': {
    parameters: { path: '*\\A_*' },
    prepare: backedUp,
    act: useFolder,
    normal: usable,
    faulty: unusable(53),
    sparesB: true,
  },
  'path-missing': {
    parameters: { path: '*\\a_*,*.never' },
    prepare: backedUp,
    act: useFolder,
    normal: usable,
    faulty: unusable(3),
    sparesB: true,
    manyHits: true,
  },
  'access-denied': {
    parameters: { path: '*\\A_*' },
    prepare: backedUp,
    act: useFolder,
    normal: usable,
    faulty: unusable(5),
    sparesB: true,
    manyHits: true,
  },
  'file-in-use': {
    parameters: { path: '*\\A_*' },
    prepare: backedUp,
    act: readHeader,
    normal: [],
    faulty: ['3201/32', '3013'],
    sparesB: true,
  },
  'disk-full': {
    parameters: { percent: 50, database: 'A', also3271: 'yes' },
    act: async (bench, place) => [await backUp(bench, place), await readHeader(bench, place)],
    normal: [[], []],
    faulty: [
      ['3202/112', '3271/112', '3013'],
      ['3203/38', '3013'],
    ],
    sparesB: true,
  },
  'write-error': {
    parameters: { percent: 0, error: '59', database: 'A' },
    prepare: startChain,
    act: backUpLog,
    normal: [],
    faulty: ['3202/59', '3013'],
    sparesB: true,
  },
  'read-error': {
    parameters: { percent: 100, path: '*\\A_*' },
    prepare: backedUp,
    act: restoreCopy,
    normal: [],
    faulty: ['3203/23', '3013'],
    sparesB: true,
  },
  'slow-backup': {
    parameters: { msPerPercent: 100, database: 'A' },
    act: (bench, place) =>
      goesSlowly(bench, 'slow-backup', `BACKUP DATABASE ${place} TO DISK = N'${bench.device(place)}' WITH STATS = 1`),
    normal: false,
    faulty: true,
    sparesB: true,
  },
  'restore-pace': {
    parameters: { bytesPerSecond: 1e12, msPerStatement: 10_000 },
    prepare: async (bench, place) => {
      await backUp(bench, place);
      await restoreCopy(bench, place);
    },
    act: (bench, place) =>
      goesSlowly(
        bench,
        'restore-pace',
        `RESTORE DATABASE ${place}_copy FROM DISK = N'${bench.last(place)}' WITH NORECOVERY, REPLACE, STATS = 1,
         MOVE N'${place}' TO N'D:\\Data\\${place}_copy.mdf', MOVE N'${place}_log' TO N'D:\\Data\\${place}_copy.ldf'`,
      ),
    normal: false,
    faulty: true,
  },
  'disk-quota': { parameters: { bytes: 1 }, act: backUp, normal: [], faulty: ['3202/112', '3013'] },
  'rotten-backup': {
    parameters: { database: 'A', kind: 'full' },
    act: backUpAndRead,
    normal: fine,
    faulty: [[], [], ['3203/13', '3013']],
    sparesB: true,
  },
  'rotten-header': {
    parameters: { database: 'A' },
    act: backUpAndRead,
    normal: fine,
    faulty: [[], ['3241', '3013'], ['3241', '3013']],
    sparesB: true,
  },
  'truncated-backup': {
    parameters: { database: 'A', percent: 60 },
    act: backUpAndRead,
    normal: fine,
    faulty: [[], ['3203/38', '3013'], ['3203/38', '3013']],
    sparesB: true,
  },
  'empty-backup': {
    parameters: { path: '*\\A_*' },
    act: backUpAndRead,
    normal: fine,
    faulty: [[], ['3254', '3013'], ['3254', '3013']],
    sparesB: true,
  },
  'vanished-backup': {
    parameters: { database: 'A' },
    act: backUpAndRead,
    normal: fine,
    faulty: [[], ['3201/2', '3013'], ['3201/2', '3013']],
    sparesB: true,
  },
};
