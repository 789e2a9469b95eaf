import { spawn } from 'node:child_process';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { requireLsn } from '@holdfast/domain';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { observeDatabase } from '@holdfast/sqlserver/observe';
import { whyNoTestServer } from '@holdfast/sqlserver/testing';
import { beginSeeding } from '../src/stream/stream-commands.ts';
import { startCuttingProxy } from './cutting-proxy.ts';
import type { SetPayload } from './estate.ts';
import { patienceMs, until } from './publisher.ts';
import { type Circumstances, connect, sender, startSource, startStandby } from './source.ts';
import { isSettled, startStream, streamEnd } from './stream-trial.ts';
import {
  prepareWorld,
  readStored,
  removeStream,
  replaceServer,
  serverOf,
  type Stored,
  type StreamWorld,
} from './stream-world.ts';
import { dependenciesOf, names, openWorldStore, saveServer, sentByShipping } from './world.ts';

const reason = process.env['SQLSERVER_URL'] === undefined ? whyNoTestServer(process.env) : 'needs the stand-in';
const suite = reason === undefined ? describe : describe.skip;
const [name] = names as [string, string];
const logs = 2;
/** What the files of a new database take at the stand-in. */
const databaseBytes = 16_777_216;

jest.setTimeout(patienceMs);

suite(`a full that does not end${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  let folder: string;
  let backups: string;
  const sets: SetPayload[] = [];
  const closers: (() => Promise<unknown>)[] = [];
  let world: { -readonly [Key in keyof StreamWorld]: StreamWorld[Key] };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-seeding-'));
    const source = await startSource(folder, names);
    ({ backups } = source);
    const filler = Array.from({ length: 50 }, () => `(N'${'x'.repeat(4_000)}')`).join(', ');
    for (const database of names) {
      await source.run(`CREATE TABLE [${database}].dbo.Filler (Text nvarchar(4000) NOT NULL)`);
      await source.run(`INSERT [${database}].dbo.Filler VALUES ${filler}`);
    }
    sets.push(await source.take('FULL'));
    while (sets.length <= logs) sets.push(await source.take('LOG'));
    // Another database of the same name, as somebody else may bring it.
    await source.run(`DROP DATABASE [${name}]`);
    await source.run(`CREATE DATABASE [${name}]`);
    await source.run(`BACKUP DATABASE [${name}] TO DISK = N'D:\\Backup\\other.bak'`);
    await source.close();
  });
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
    await removeStream(world);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const prepare = async (circumstances?: Circumstances) => {
    world = { ...(await prepareWorld(backups, sets, logs, circumstances)) };
  };
  const start = async (fencingToken: number) => {
    const running = await startStream(world, { hook: () => undefined, fencingToken }, isSettled);
    closers.push(() => running.stop());
    return running;
  };
  const sentFulls = async () =>
    (await sentByShipping(join(world.folder, 'standby')))
      .filter(({ text }) => text.startsWith('RESTORE DATABASE'))
      .map(({ text, outcome }) => [/\[(\w+)\]/.exec(text)?.[1], text.includes('REPLACE'), outcome]);
  const openStore = async () => {
    const store = await openWorldStore(world.folder);
    closers.push(() => store.close());
    return store;
  };
  /** The instance on the same folder, without whatever it was started under. */
  const startAgain = async () => {
    const again = await startStandby(world.folder, join(world.folder, 'copies'));
    replaceServer(world, again);
    Object.assign(world, { port: again.address.port, ...again.credentials });
    await saveServer(await openStore(), again, 2);
  };
  const standbyServer = () => connect(serverOf(world), closers);
  const endsWell = async (fulls: readonly unknown[] = [1, 1]) =>
    expect(await streamEnd(world)).toMatchObject({
      databases: names.map(database => ({
        name: database,
        at: '2',
        restored: '2',
        heldBack: '3',
        seeding: [null, null, null],
      })),
      fulls,
    });

  it('is sent again with REPLACE after the service was killed in the middle of it', async () => {
    // A second for each full: the server notices the end of a connection long before it is through.
    await prepare({ faults: ['restore-pace bytesPerSecond=400000 msPerStatement=0'] });
    const server = serverOf(world);
    const store = await openStore();
    const ended = Promise.withResolvers<NodeJS.Signals | null>();
    let broken: string | undefined;
    const proxy = await startCuttingProxy(world.port, 'RESTORE DATABASE', async sent => {
      broken = /\[(\w+)\]/.exec(sent)?.[1];
      child.kill('SIGKILL');
      await ended.promise;
    });
    closers.push(proxy.close);
    await saveServer(store, { address: { ...server.address, port: proxy.port } }, 2);
    const script = fileURLToPath(new URL('./service-process.ts', import.meta.url));
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, JSON.stringify(world)], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    closers.push(async () => child.kill('SIGKILL'));
    child.once('close', (_code, signal) => ended.resolve(signal));
    expect(await ended.promise).toBe('SIGKILL');

    await saveServer(store, server, 3);
    await (await start(2)).settled(AbortSignal.timeout(60_000));
    // The other one may have reached the server beside it, and have ended there.
    expect(names).toContain(broken);
    const ofIt = (await sentFulls()).filter(([database]) => database === broken).map(([, ...how]) => how);
    expect(ofIt).toContainEqual([true, 'ok']);
    expect(ofIt).not.toContainEqual([false, 'ok']);
    await endsWell();
  });

  it('is sent again with REPLACE after the server was killed in the middle of it', async () => {
    // Its rows are on disk, and nothing says yet that they are whole.
    await prepare({ env: { ...process.env, STANDIN_DIE_AT: `rename ${name}.mdf` } });
    const running = await start(1);
    const { pid } = serverOf(world);
    await until('the server died', () => (isAlive(pid!) ? undefined : true));
    await startAgain();
    await running.settled(AbortSignal.timeout(60_000));
    const ofIt = (await sentFulls()).filter(([database]) => database === name).map(([, ...how]) => how);
    expect(ofIt).toContainEqual([true, 'ok']);
    expect(ofIt).not.toContainEqual([false, 'ok']);
    // The other one moves beside it: the dead server may not have logged the end of its full.
    await endsWell([1, expect.any(Number)]);
  });

  it('never replaces what somebody else restored under that name meanwhile', async () => {
    await prepare();
    const store = await openStore();
    const { streams } = await readStored(store, world.standbyId);
    const file = sets[0]!.files[0]!;
    const header = file.header!;
    await beginSeeding(dependenciesOf(store), streams[0]!, file.fileId as never, {
      setId: sets[0]!.setId as never,
      backupSetUuid: header.backupSetUuid,
      lastForkGuid: header.lastForkGuid,
      lastLsn: requireLsn(header.lastLsn),
      afterHistoryId: 0,
      fencingToken: 1,
    });
    const server = await standbyServer();
    const run = await sender(server, closers);
    await run(`RESTORE DATABASE [${name}] FROM DISK = N'E:\\Copies\\other.bak' WITH NORECOVERY`);
    const before = (await observeDatabase(server, name)).database;
    await start(2);
    const blocked = await until('blocked', () => blockedFor(store, 'SEED_NOT_PROVEN'));
    expect(blocked.standby.state).toBe('BLOCKED');
    expect((await sentFulls()).filter(([database]) => database === name)).toEqual([]);
    expect((await observeDatabase(server, name)).database).toEqual(before);
  });

  it('is forgotten when it failed and left nothing, so that what appears there is nobody of ours', async () => {
    await prepare();
    const store = await openStore();
    const path = join(world.folder, 'copies', `${name}_FULL_1.bak`);
    await rename(path, `${path}.away`);
    await start(1);
    const failed = await until('failed', () => blockedFor(store, 'RESTORE_FAILED'));
    const [stream] = failed.streams;
    expect([stream?.seedingFileId, stream?.seedingEvidence]).toEqual([null, null]);
    const run = await sender(await standbyServer(), closers);
    await run(`RESTORE DATABASE [${name}] FROM DISK = N'E:\\Copies\\other.bak' WITH NORECOVERY`);
    await rename(`${path}.away`, path);
    await until('it was looked at', async () => {
      const { streams } = await readStored(store, world.standbyId);
      return streams[0]?.position == null ? undefined : streams;
    });
    // It may have been tried once more before somebody else came: of ours nothing ever ended, and nothing would have replaced anything.
    const ofIt = (await sentFulls()).filter(([database]) => database === name).map(([, ...how]) => how);
    expect(ofIt.filter(([replaces, outcome]) => replaces === true || outcome === 'ok')).toEqual([]);
  });

  it('waits while the disk of the instance is full, and goes on by itself when there is room', async () => {
    await prepare({ faults: [`disk-quota=${String(databaseBytes - 1)}`] });
    const store = await openStore();
    const running = await start(1);
    const blocked = await until('blocked', async () => {
      const stored = await blockedFor(store, 'STANDBY_DISK_FULL');
      // The other full is sent beside it, and fails a moment later.
      return stored?.streams.every(({ seedingFileId }) => seedingFileId === null) === true ? stored : undefined;
    });
    expect(blocked.standby).toMatchObject({ state: 'BLOCKED', newestCommonMark: null });
    const full = blocked.streams.find(({ reasons }) => reasons[0]?.code === 'STANDBY_DISK_FULL');
    expect(full?.state).toBe('BLOCKED');
    expect(full?.reasons).toMatchObject([
      {
        code: 'STANDBY_DISK_FULL',
        message: expect.stringContaining(`${full?.databaseName ?? ''} from set 1;`),
        evidence: expect.stringMatching(/^E:\\Copies\\\w+_FULL_1\.bak: .*3257/),
      },
    ]);
    // Nothing is half done: neither at the server nor in what would have to be replaced there.
    const server = await standbyServer();
    for (const database of names) expect((await observeDatabase(server, database)).database).toBeNull();
    for (const { seedingFileId, position } of blocked.streams) expect([seedingFileId, position]).toEqual([null, null]);
    expect((await sentFulls()).filter(([, , outcome]) => outcome === 'ok')).toEqual([]);

    await serverOf(world).close();
    await startAgain();
    await running.settled(AbortSignal.timeout(60_000));
    await endsWell();
    expect((await sentFulls()).filter(([, replaces]) => replaces === true)).toEqual([]);
  });

  it('is not sent where a database of that name is online, whose it may be; the others wait', async () => {
    await prepare();
    const store = await openStore();
    const server = await standbyServer();
    const run = await sender(server, closers);
    await run(`CREATE DATABASE [${name}]`);
    await run(`CREATE TABLE [${name}].dbo.Theirs (Id int NOT NULL); INSERT [${name}].dbo.Theirs VALUES (7)`);
    const before = (await observeDatabase(server, name)).database;
    const running = await start(1);
    const blocked = await until('blocked', async () => {
      const { standby, streams } = await readStored(store, world.standbyId);
      return standby.state === 'BLOCKED' ? { standby, streams } : undefined;
    });
    expect(blocked.standby.reasons).toMatchObject([{ code: 'DATABASE_ALREADY_ONLINE' }]);
    await running.idle();
    expect(await sentFulls()).toEqual([]);
    expect((await observeDatabase(server, name)).database).toEqual(before);
    await run(`IF NOT EXISTS (SELECT 1 FROM [${name}].dbo.Theirs WHERE Id = 7) THROW 50000, N'it is gone', 1`);
    // Its owner takes it away.
    await run(`DROP DATABASE [${name}]`);
    await running.settled(AbortSignal.timeout(60_000));
    await endsWell();
  });

  async function blockedFor(
    store: Awaited<ReturnType<typeof openWorldStore>>,
    code: string,
  ): Promise<Stored | undefined> {
    const stored = await readStored(store, world.standbyId);
    return stored.streams.some(({ problem, reasons }) => problem?.reason.code === code && reasons[0]?.code === code)
      ? stored
      : undefined;
  }
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    if (Error.isError(error) && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}
