/**
 * A group watched over six hours of its day, for the injury harness: registered in the first, changed in the second and again in the third,
 * changed on its second instance in the fourth, left alone in the fifth. An hour ends when both instances were looked at. In the sixth, much
 * later, an execution has the group, so that nobody may look: it ends when that was told. The clock is the world's, so that every run looks
 * as often as the others.
 */
import { existsSync } from 'node:fs';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import {
  groupObserved,
  instanceAddressed,
  jobsObserved,
  loginsObserved,
  sqlInstanceRegistered,
} from '@holdfast/events';
import { createLogger } from '@holdfast/service';
import { carriedOnce, carryEvents, type InjuryTrial } from '@holdfast/service/trial';
import { type RunnerLoopOptions, startRunner } from '@holdfast/service/runner';
import { beginHold } from '@holdfast/service/source-hold';
import type { TestServer } from '@holdfast/sqlserver/testing';
import { allGroups } from '../src/group/group-store.ts';
import { instanceRunner } from '../src/instance/instance-runner.ts';
import { listInstances } from '../src/instance/instance-store.ts';
import { newsRunner } from '../src/group/news-runner.ts';
import { observationRunner } from '../src/group/observation-runner.ts';
import type { InventoryDependencies } from '../src/group/group-commands.ts';
import { registerGroup } from '../src/registration/register-group-commands.ts';
import {
  admin,
  connectionTo,
  createDatabase,
  management,
  messageBox,
  onServer,
  prepareGroup,
  secondName,
  startInstance,
  tracking,
} from './estate.ts';
import { inventoryEnd } from './inventory-end.ts';
import { inventoryDependencies, openInventoryStore } from './store.ts';

type Place = Pick<TestServer, 'address' | 'credentials'>;
type World = { readonly folder: string; readonly first: Place; readonly second: Place };

// Files of a prepared instance are copied: a real server has no part in this.
const { SQLSERVER_URL: _primary, SQLSERVER_STANDBY_URL: _standby, ...env } = process.env;
const observeEveryMs = 1_800_000;
const hourMs = 3_600_000;
const hours = [1, 2, 3, 4, 5, 6] as const;
/** By then all facts are too old. */
const late = { hour: 6, byMs: 12 * hourMs };
const execution = '018f0000-0000-7000-8000-000000000001';
/** On the second instance. */
const job = `TrackedMessages_Copy_${tracking}`;
/** Not in the backup job at first. */
const own = 'OrdersDb';

const servers = new Map<string, readonly TestServer[]>();
let template: Promise<string> | undefined;

export const trial: InjuryTrial<World> = {
  runners: ['observation', 'instance', 'news', 'relay'],

  prepare: async () => {
    template ??= makeTemplate();
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-observation-'));
    await cp(await template, folder, { recursive: true });
    const started = [await startInstance(folder, env), await startInstance(join(folder, 'second'), env, secondName)];
    servers.set(folder, started);
    const [first, second] = started.map(({ address, credentials }) => ({ address, credentials })) as [Place, Place];
    return { folder, first, second };
  },

  start: async (world, { hook, fencingToken, holds }) => {
    const { first, second } = world;
    const clock = () => {
      const hour = hourOf(world);
      return Date.now() + (hour - 1) * hourMs + (hour >= late.hour ? late.byMs : 0);
    };
    const store = holds(await openInventoryStore(storeFile(world)));
    const secrets = {
      SQL_USER: first.credentials.user,
      SQL_PASSWORD: first.credentials.password,
      SECOND_USER: second.credentials.user,
      SECOND_PASSWORD: second.credentials.password,
    };
    const dependencies = inventoryDependencies(store, { clock, env: secrets, fencingToken, observeEveryMs });
    await register(dependencies, world);
    const publishes = [groupObserved, sqlInstanceRegistered, instanceAddressed, loginsObserved, jobsObserved];
    const relay = await carryEvents({ store, service: 'inventory', publishes, folder: world.folder, hook });
    const options: RunnerLoopOptions = {
      clock,
      logger: createLogger({ service: 'inventory', level: 'silent' }),
      intervalMs: 20,
      backOffMs: { first: 1, longest: 5 },
      wakeOn: listener => store.afterCommit(listener),
      hook,
    };
    const loops = [
      startRunner(observationRunner(dependencies), options),
      startRunner(instanceRunner(dependencies), options),
      startRunner(newsRunner(dependencies), options),
    ];
    const idle = async () => {
      for (const loop of loops) await loop.idle();
    };
    const hasLooked = async () => {
      const groups = await store.read(allGroups);
      const instances = await store.read(db => listInstances(db, { first: 50, after: null }));
      return [...groups, ...instances].every(
        ({ observedAt }) => observedAt !== null && Date.parse(observedAt) + observeEveryMs > clock(),
      );
    };
    const hasToldAge = async () => {
      const [group] = await store.read(allGroups);
      return group?.told?.includes('TABLES_OUTDATED') === true;
    };
    /** As a consumer would record it; of the second incarnation's claim as of the first one's. */
    const claim = () =>
      store.transaction(async tx => {
        const [group] = await allGroups(tx);
        if (group === undefined) throw new Error('There is no group.');
        await beginHold(tx, { executionId: execution, groupId: group.id, claimedAt: '2026-11-21T12:00:00.000Z' });
      });
    return {
      settled: async signal => {
        for (;;) {
          signal.throwIfAborted();
          const hour = hourOf(world);
          if (hour === late.hour && (await hasToldAge())) break;
          if (hour < late.hour && (await hasLooked())) {
            if (hour + 1 === late.hour) await claim();
            await begin(hour + 1, world);
          } else await pause(5);
        }
        await idle();
        await relay.settled(signal);
      },
      idle,
      failing: () => loops.flatMap(loop => [...loop.failing().values()]),
      stop: async () => {
        await Promise.all(loops.map(loop => loop.stop()));
        await relay.stop();
        await store.close();
      },
    };
  },

  endState: async world => {
    const store = await openInventoryStore(storeFile(world));
    try {
      await carriedOnce(store, world.folder);
      return await inventoryEnd(store);
    } finally {
      await store.close();
    }
  },

  remove: async ({ folder }) => {
    for (const server of servers.get(folder) ?? []) await server.close();
    servers.delete(folder);
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  },
};

/** What `prepare` copies from, once nothing is to be prepared any more. */
export async function removeTemplate(): Promise<void> {
  const folder = await template;
  template = undefined;
  if (folder !== undefined) await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

async function makeTemplate(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-observation-template-'));
  const server = await startInstance(folder, env);
  await prepareGroup(server, [own]);
  await onServer(
    server,
    `UPDATE [${management}].dbo.adm_Group SET TrackingDBServerName = N'${secondName}', TrackingDBName = N'${tracking}'`,
  );
  await onServer(server, addComputer('BTS1'));
  await server.close();
  const second = await startInstance(join(folder, 'second'), env, secondName);
  await onServer(
    second,
    createDatabase(tracking),
    `EXEC msdb.dbo.sp_add_job @job_name = N'${job}', @enabled = 1`,
    `EXEC msdb.dbo.sp_add_jobstep @job_name = N'${job}', @step_name = N'Copy', @command = N'SELECT 1', @database_name = N'${tracking}'`,
  );
  await second.close();
  return folder;
}

const storeFile = ({ folder }: World) => join(folder, 'inventory.db');

/** Asked again by every incarnation: the same key has the same answer. */
async function register(dependencies: InventoryDependencies, world: World): Promise<void> {
  const registered = await registerGroup(dependencies, admin, {
    idempotencyKey: 'the only one',
    name: 'Orders',
    site: 'Dublin',
    tags: ['erp'],
    management: {
      ...connectionTo(world.first),
      database: management,
      authentication: 'SQL_LOGIN',
      trustServerCertificate: false,
    },
    instances: [
      {
        name: secondName,
        connection: {
          ...connectionTo(world.second),
          userRef: 'env:SECOND_USER',
          passwordRef: 'env:SECOND_PASSWORD',
          authentication: 'SQL_LOGIN',
          trustServerCertificate: false,
        },
      },
    ],
    dryRun: false,
  });
  if (!('group' in registered) || 'refused' in registered) throw new Error(JSON.stringify(registered));
}

const addComputer = (name: string) =>
  `IF NOT EXISTS (SELECT 1 FROM [${management}].dbo.adm_Server s WHERE s.Name = N'${name}')
     EXEC sp_standin_add_host_instance @management = N'${management}', @host = N'Receive', @hostType = 1, @computer = N'${name}'`;

const hourFile = ({ folder }: World, hour: number) => join(folder, `hour-${String(hour)}`);

function hourOf(world: World): number {
  return hours.findLast(hour => existsSync(hourFile(world, hour))) ?? 1;
}

/** May be done twice, and by two processes at once: both go on with the same day. The clock comes last, for it starts the next look. */
async function begin(hour: number, world: World): Promise<void> {
  if (hour === 2)
    await onServer(
      world.first,
      `ALTER DATABASE [${messageBox}] SET RECOVERY SIMPLE`,
      `INSERT [${management}].dbo.adm_OtherBackupDatabases (DefaultDatabaseName, DatabaseName, ServerName, BTSServerName)
       SELECT N'${own}', N'${own}', N'PRIMARY\\BTS', N'BIZTALK1'
       WHERE NOT EXISTS (SELECT 1 FROM [${management}].dbo.adm_OtherBackupDatabases o WHERE o.DatabaseName = N'${own}')`,
    );
  if (hour === 3) await onServer(world.first, `ALTER DATABASE [${messageBox}] SET RECOVERY FULL`, addComputer('BTS2'));
  if (hour === 4)
    await onServer(
      world.second,
      `ALTER DATABASE [${tracking}] SET RECOVERY SIMPLE`,
      `EXEC msdb.dbo.sp_update_jobstep @job_name = N'${job}', @step_id = 1, @command = N'SELECT 2'`,
    );
  await writeFile(hourFile(world, hour), '');
}
