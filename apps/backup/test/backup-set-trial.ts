/**
 * The ledger of one source over three hours of its day, for the injury harness. The first hour finds six sets, of two of which a file is
 * missing. In the second hour one of these files is back and the job has begun a seventh set, in the third it has completed it. An hour
 * ends when nothing is left to learn in it; the clock is the world's, so that every run looks as often as the others.
 */
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { eventCodec, recoveryPointJudged, setQualified } from '@holdfast/events';
import { createOutbox } from '@holdfast/messaging';
import { createLogger, newId } from '@holdfast/service';
import { carriedOnce, carryEvents, type InjuryTrial } from '@holdfast/service/trial';
import { startRunner } from '@holdfast/service/runner';
import type { TestServer } from '@holdfast/sqlserver/testing';
import { migrate, openStore, type Store } from '@holdfast/store';
import { setRunner } from '../src/backup-set/backup-set-runner.ts';
import { dueFiles } from '../src/backup-set/backup-set-store.ts';
import { findLook } from '../src/backup-set/history-look-store.ts';
import type { KnownAddress, KnownGroup } from '../src/estate/estate.ts';
import { saveAddress, saveGroup } from '../src/estate/estate-store.ts';
import type { BackupTables } from '../src/tables.ts';
import { groupId } from './ledger.ts';
import { ledgerEnd } from './ledger-end.ts';
import { addressOf, connect, folderNames, startInstance, startSource } from './source.ts';
import { backupMigrations } from './store.ts';

type World = {
  readonly folder: string;
  readonly group: KnownGroup;
  readonly address: KnownAddress;
  readonly user: string;
  readonly password: string;
};

// Files of a prepared instance are copied: a real server has no part in this.
const { SQLSERVER_URL: _primary, SQLSERVER_STANDBY_URL: _standby, ...env } = process.env;
const observeEveryMs = 1_800_000;
/**
 * When each hour begins on the world's clock: so long after the one before that every file is due again, the missing one after its longest
 * pause and the proven ones after twice as long as they had been known by then, whenever within the hour they were looked at.
 */
const beginsMs = [0, 2 * 3_600_000, 7 * 3_600_000] as const;
const hours = [1, 2, 3] as const;
const [management, messageBox] = ['BizTalkMgmtDb', 'BizTalkMsgBoxDb'] as const;
const history = `[${management}].dbo.adm_BackupHistory`;
const returningFile = `${management}_6.bak`;

const servers = new Map<string, TestServer>();
let template: Promise<Omit<World, 'user' | 'password'>> | undefined;

export const trial: InjuryTrial<World> = {
  runners: ['set-runner', 'relay'],

  prepare: async () => {
    template ??= makeTemplate();
    const { folder: made, group, address } = await template;
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-backup-set-'));
    await cp(made, folder, { recursive: true });
    const server = await startInstance(folder, env);
    servers.set(folder, server);
    return { folder, group, address: { ...address, address: addressOf(server) }, ...server.credentials };
  },

  start: async (world, { hook, holds }) => {
    const clock = clockOf(world);
    const store = holds(await openWorldStore(world));
    // What the consumer records of inventory's events, as often as they come.
    await store.transaction(async tx => {
      await saveGroup(tx, world.group);
      await saveAddress(tx, world.address);
    });
    const outbox = createOutbox({ service: 'backup', codec: eventCodec, clock, newId: () => newId(clock) });
    const secrets = { SOURCE_USER: world.user, SOURCE_PASSWORD: world.password };
    const publishes = [setQualified, recoveryPointJudged];
    const relay = await carryEvents({ store, service: 'backup', publishes, folder: world.folder, hook });
    const loop = startRunner(setRunner({ store, outbox, clock, env: secrets, observeEveryMs }), {
      clock,
      logger: createLogger({ service: 'backup', level: 'silent' }),
      intervalMs: 20,
      backOffMs: { first: 1, longest: 5 },
      wakeOn: listener => store.afterCommit(listener),
      hook,
    });
    return {
      settled: async signal => {
        for (;;) {
          signal.throwIfAborted();
          const hour = hourOf(world);
          if (!(await hasLearntAll(store, clock()))) await pause(5);
          else if (hour === hours.length) break;
          else await begin(hour + 1, world);
        }
        await loop.idle();
        await relay.settled(signal);
      },
      idle: () => loop.idle(),
      failing: () => [...loop.failing().values()],
      stop: async () => {
        await loop.stop();
        await relay.stop();
        await store.close();
      },
    };
  },

  endState: async world => {
    const store = await openWorldStore(world);
    try {
      await carriedOnce(store, world.folder);
      return await ledgerEnd(store);
    } finally {
      await store.close();
    }
  },

  remove: async ({ folder }) => {
    await servers.get(folder)?.close();
    servers.delete(folder);
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  },
};

/** What `prepare` copies from, once nothing is to be prepared any more. */
export async function removeTemplate(): Promise<void> {
  const made = await template;
  template = undefined;
  if (made !== undefined) await rm(made.folder, { recursive: true, force: true, maxRetries: 5 });
}

async function makeTemplate() {
  const source = await startSource(env);
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-backup-set-template-'));
  await source.fullSet(1);
  await source.logSet(2, markOf(2));
  await source.logSet(3, markOf(3), [messageBox]);
  await source.logSet(4, markOf(4));
  await source.fullSet(5);
  await source.logSet(6, markOf(6));
  await source.logSet(7, markOf(7));
  // A number below 0 is never asked for: its rows are not written yet.
  await source.run(`UPDATE ${history} SET BackupSetId = -7, SetComplete = 0 WHERE BackupSetId = 7`);
  await source.server.close();
  for (const name of folderNames) await cp(join(source.folder, name), join(folder, name), { recursive: true });
  await mkdir(join(folder, 'away'));
  await rename(join(folder, 'share', returningFile), join(folder, 'away', returningFile));
  const { group, address } = source;
  await rm(source.folder, { recursive: true, force: true, maxRetries: 5 });
  return { folder, group, address };
}

const markOf = (number: number) => `BTS_2026_11_21_04_00_00_${String(number).padStart(3, '0')}`;

async function openWorldStore({ folder }: World): Promise<Store<BackupTables>> {
  const store = openStore<BackupTables>({ file: join(folder, 'backup.db') });
  await migrate(store, backupMigrations);
  return store;
}

/** This hour's look was stored, and no file is due. */
async function hasLearntAll(store: Store<BackupTables>, now: number): Promise<boolean> {
  return store.read(async db => {
    const { lookedAt } = await findLook(db, groupId);
    const hasLooked = lookedAt !== null && Date.parse(lookedAt) + observeEveryMs > now;
    return hasLooked && (await dueFiles(db, groupId, new Date(now).toISOString(), 1)).length === 0;
  });
}

const hourFile = ({ folder }: World, hour: number) => join(folder, `hour-${String(hour)}`);

function hourOf(world: World): number {
  return hours.findLast(hour => existsSync(hourFile(world, hour))) ?? 1;
}

function clockOf(world: World): () => number {
  return () => Date.now() + (beginsMs[hourOf(world) - 1] ?? 0);
}

/** May be done twice, and by two processes at once: both go on with the same day. The clock comes last, for it starts the next look. */
async function begin(hour: number, world: World): Promise<void> {
  const { user, password, address, folder } = world;
  const connection = await connect({ address: address.address, credentials: { user, password } });
  try {
    if (hour === 2) {
      await rename(join(folder, 'away', returningFile), join(folder, 'share', returningFile)).catch(toleratingNoFile);
      await connection.run(
        `UPDATE ${history} SET BackupSetId = 7 WHERE BackupSetId = -7 AND DatabaseName = N'${management}'`,
      );
    } else {
      await connection.run(`UPDATE ${history} SET BackupSetId = 7 WHERE BackupSetId = -7`);
      await connection.run(`UPDATE ${history} SET SetComplete = 1 WHERE BackupSetId = 7`);
    }
  } finally {
    await connection.close();
  }
  await writeFile(hourFile(world, hour), '');
}

function toleratingNoFile(error: unknown): void {
  if ((error as { readonly code?: unknown }).code !== 'ENOENT') throw error;
}
