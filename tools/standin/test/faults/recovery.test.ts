/** Faults of devices and databases: tables in media-strikes.ts and database-strikes.ts. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { backUp, backUpLog, insert, restoreCopy, startBench, startChain, type Bench } from './bench.ts';
import { databaseStrikes } from './database-strikes.ts';
import { mediaStrikes } from './media-strikes.ts';
import { tryStrikes } from './strike.ts';

let bench: Bench;

beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.end());

describe('devices', () => tryStrikes(mediaStrikes, () => bench));
describe('databases', () => tryStrikes(databaseStrikes, () => bench));

/** Resolves with the percentage that a running statement has reached, once it has reached any. */
async function underWay(command: string): Promise<number> {
  for (;;) {
    const running = bench.engine.sessions().find(({ request }) => request?.command === command);
    if (running?.request !== undefined && running.request.percentComplete > 0) return running.request.percentComplete;
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}

/** A session whose request is seen, as a connection's is. */
function watched() {
  const session = bench.session();
  session.request = {
    startedAt: new Date(),
    command: '',
    text: '',
    percentComplete: 0,
    blockedBy: 0,
    waitType: undefined,
  };
  return session;
}

describe('a share that goes down under way', () => {
  it('fails the BACKUP that writes with 59 and the RESTORE that reads with 64', async () => {
    await startChain(bench, 'A');
    const read = bench.last('A');
    bench.faults.set({ name: 'slow-backup', parameters: { msPerPercent: 100 } });
    const writing = bench.errors(`BACKUP DATABASE A TO DISK = N'${bench.device('A')}'`, watched());
    expect(await underWay('BACKUP DATABASE')).toBeGreaterThan(0);
    bench.faults.set({ name: 'share-down' });
    bench.faults.clear('slow-backup');
    expect(await writing).toEqual(['3202/59', '3013']);
    bench.faults.clear('share-down');
    bench.faults.set({ name: 'restore-pace', parameters: { bytesPerSecond: 1, msPerStatement: 1_000 } });
    const reading = bench.errors(
      `RESTORE DATABASE A_copy FROM DISK = N'${read}' WITH NORECOVERY, REPLACE,
       MOVE N'A' TO N'D:\\Data\\A_copy.mdf', MOVE N'A_log' TO N'D:\\Data\\A_copy.ldf'`,
      watched(),
    );
    await new Promise<void>(resolve => {
      const seen = (): void => {
        if (bench.engine.database('A_copy')?.state === 'RESTORING') resolve();
        else setTimeout(seen, 5);
      };
      seen();
    });
    bench.faults.set({ name: 'share-down' });
    bench.faults.clear('restore-pace');
    expect(await reading).toEqual(['3203/64', '3013']);
    bench.faults.clear('share-down');
    expect(await bench.errors('RESTORE DATABASE A_copy WITH RECOVERY')).toEqual(['4333', '3013']);
    expect(await backUp(bench, 'A')).toEqual([]);
    expect(await restoreCopy(bench, 'A')).toEqual([]);
  });
});

describe('a path that is missing', () => {
  const seen = async (path: string): Promise<unknown> =>
    Object.values((await bench.rows(`SELECT * FROM sys.dm_os_file_exists(N'${path}')`))[0] ?? {});

  it.each(['path-missing', 'access-denied'])('%s for backups alone is so for nobody else', async name => {
    const device = bench.device('A');
    expect(await bench.errors(`BACKUP DATABASE A TO DISK = N'${device}'`)).toEqual([]);
    bench.faults.set({ name, parameters: { operation: 'backup', times: 1 } });
    expect(await seen(device)).toEqual([1n, 0n, 1n]);
    expect(await bench.errors(`EXEC xp_create_subdir N'${device}_more'`)).toEqual([]);
    expect(await bench.errors(`RESTORE HEADERONLY FROM DISK = N'${device}'`)).toEqual([]);
    expect(bench.isSet(name)).toBe(true);
    expect((await backUp(bench, 'A')).slice(1)).toEqual(['3013']);
    bench.faults.set({ name, parameters: { operation: 'restore', times: 1 } });
    expect(await backUp(bench, 'A')).toEqual([]);
    expect(await seen(device)).toEqual([1n, 0n, 1n]);
    expect((await bench.errors(`RESTORE HEADERONLY FROM DISK = N'${device}'`)).slice(1)).toEqual(['3013']);
  });

  it('is one hit for each look and each folder', async () => {
    const device = bench.device('A');
    bench.faults.set({ name: 'path-missing', parameters: { times: 2 } });
    expect(await seen('\\\\share\\bts')).toEqual([0n, 0n, 0n]);
    expect(await bench.errors(`EXEC xp_create_subdir N'${device}_more'`)).toEqual(['22048/3']);
    expect(bench.exists(`${device}_more`)).toBe(false);
    expect(await seen('\\\\share\\bts')).toEqual([0n, 1n, 1n]);
    expect(bench.isSet('path-missing')).toBe(false);
  });
});

describe('parameters', () => {
  it('rots log backups alone when told so, which checksums show as 3183', async () => {
    await startChain(bench, 'A');
    bench.faults.set({ name: 'rotten-backup', parameters: { kind: 'log', times: 1 } });
    expect(await backUp(bench, 'A')).toEqual([]);
    expect(await restoreCopy(bench, 'A')).toEqual([]);
    await insert(bench, 'A');
    const device = bench.device('Alog');
    expect(await bench.errors(`BACKUP LOG A TO DISK = N'${device}' WITH CHECKSUM`)).toEqual([]);
    expect(await bench.errors(`RESTORE VERIFYONLY FROM DISK = N'${device}'`)).toEqual(['3183', '3013']);
    expect(await bench.errors(`RESTORE LOG A_copy FROM DISK = N'${device}' WITH NORECOVERY`)).toEqual(['3183', '3013']);
  });

  it('leaves the recovery model SIMPLE when told so: 4208, and what it changed stays', async () => {
    await startChain(bench, 'B');
    bench.faults.set({ name: 'recovery-model-flip', parameters: { database: 'B', to: 'simple', times: 1 } });
    expect(await backUpLog(bench, 'B')).toEqual(['4208', '3013']);
    expect(await backUpLog(bench, 'B')).toEqual(['4208', '3013']);
    await startChain(bench, 'B');
    expect(await backUpLog(bench, 'B')).toEqual([]);
  });

  it('decides an open outcome when the server option presumes one', async () => {
    await startChain(bench, 'A');
    await bench.rows("EXEC sp_configure 'show advanced options', 1; RECONFIGURE");
    await bench.rows("EXEC sp_configure 'in-doubt xact resolution', 2; RECONFIGURE");
    bench.faults.set({ name: 'unresolved-outcome' });
    expect(await restoreCopy(bench, 'A', 'RECOVERY')).toEqual([]);
    bench.faults.clear('unresolved-outcome');
    await bench.rows("EXEC sp_configure 'in-doubt xact resolution', 0; RECONFIGURE");
  });

  it('says 3009 for a RESTORE whose history is lost, which is done all the same', async () => {
    await startChain(bench, 'A');
    bench.faults.set({ name: 'history-insert-fails', parameters: { database: 'A_copy', times: 1 } });
    expect(await restoreCopy(bench, 'A', 'RECOVERY')).toEqual(['3009']);
    expect(bench.engine.database('A_copy')?.state).toBe('ONLINE');
  });
});
