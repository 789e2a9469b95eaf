import { backUpLog, insert, restoreCopy, restoreLogCopy, startChain, type Bench } from './bench.ts';
import type { Strikes } from './strike.ts';

/** A transaction over both databases, marked `name`. */
const mark = (bench: Bench, name: string): Promise<readonly string[]> =>
  bench.errors(
    `BEGIN TRANSACTION ${name} WITH MARK N'm';
     INSERT A.dbo.t (v) VALUES (N'${name}'); INSERT B.dbo.t (v) VALUES (N'${name}');
     COMMIT TRANSACTION`,
    bench.session(),
  );

const historyOf = (bench: Bench, database: string, name: string): Promise<number> =>
  bench.count(`msdb.dbo.logmarkhistory WHERE database_name = N'${database}' AND mark_name = N'${name}'`);

/** The errors of the mark, whether its log has it, rows of logmarkhistory. */
async function markAndRestore(bench: Bench, database: string): Promise<unknown> {
  const name = bench.device('mark').replace(/^.*\\|\.bak$/g, '');
  const marked = await mark(bench, name);
  await backUpLog(bench, database);
  await restoreCopy(bench, database);
  const { messages } = await bench.run(
    `RESTORE LOG ${database}_copy FROM DISK = N'${bench.last(`${database}log`)}' WITH NORECOVERY, STOPATMARK = N'${name}'`,
  );
  return [marked, !messages.some(({ number }) => number === 4329), await historyOf(bench, database, name)];
}

const lostMark = { prepare: startChain, act: markAndRestore, normal: [[], true, 1], sparesB: true } as const;

export const markStrikes: Strikes<Bench> = {
  'mark-missing': { ...lostMark, parameters: { database: 'A' }, faulty: [[], false, 0] },
  'duplicate-mark': {
    parameters: { database: 'A', mark: 'twice' },
    act: async (bench, place) => {
      const before = await historyOf(bench, place, 'twice');
      return [await insert(bench, place), (await historyOf(bench, place, 'twice')) - before];
    },
    normal: [[], 0],
    faulty: [[], 1],
    sparesB: true,
  },
  'mark-deadlock': {
    parameters: { mark: 'a_*' },
    act: (bench, place) => mark(bench, `${place}_1205`),
    normal: [],
    faulty: ['1205'],
    sparesB: true,
  },
  'mark-timeout': {
    parameters: { mark: 'a_*' },
    act: (bench, place) => mark(bench, `${place}_3928`),
    normal: [],
    faulty: ['3928'],
    sparesB: true,
  },
  'mark-time-skew': {
    parameters: { seconds: 3600, database: 'A' },
    act: async (bench, place) => {
      const name = bench.device('skew').replace(/^.*\\|\.bak$/g, '');
      await mark(bench, name);
      const [row] = await bench.rows(
        `SELECT DATEDIFF(minute, GETDATE(), mark_time) AS late FROM msdb.dbo.logmarkhistory
         WHERE database_name = N'${place}' AND mark_name = N'${name}'`,
      );
      return row?.['late'];
    },
    normal: 0n,
    faulty: 60n,
    sparesB: true,
  },
  'no-dtc': {
    act: (bench, _place) =>
      bench.errors('BEGIN DISTRIBUTED TRANSACTION; IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION', bench.session()),
    normal: [],
    faulty: ['8501'],
  },
};

export { mark, markAndRestore, restoreLogCopy };
