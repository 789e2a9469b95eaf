import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { groupObserved, jobsObserved, loginsObserved } from '@holdfast/events';
import { newId } from '@holdfast/service';
import { runOneStep, type RunnerDefinition } from '@holdfast/service/runner';
import { beginHold, endHold } from '@holdfast/service/source-hold';
import { type TestServer, whyNoTestServer } from '@holdfast/sqlserver/testing';
import type { Store } from '@holdfast/store';
import type { SeenInstance } from '../src/estate/estate.ts';
import { allGroups } from '../src/group/group-store.ts';
import { newsRunner } from '../src/group/news-runner.ts';
import { observationRunner } from '../src/group/observation-runner.ts';
import { recordInstance } from '../src/instance/instance-commands.ts';
import { instanceRunner } from '../src/instance/instance-runner.ts';
import { instanceId, instancesBesideManagement, reasonNotToAsk } from '../src/instance/instance-store.ts';
import { registerGroup } from '../src/registration/register-group-commands.ts';
import { registerSqlInstance } from '../src/registration/register-sql-instance-commands.ts';
import type { InventoryTables } from '../src/tables.ts';
import { admin, connectionTo, management, onServer, prepareGroup, startInstance } from './estate.ts';
import { inventoryDependencies, openInventoryStore, publishedEvents } from './store.ts';

// Windows logins of a domain that nobody has, and a group of our own making: a real server has neither.
const reason =
  process.env['SQLSERVER_URL'] === undefined ? whyNoTestServer(process.env) : 'a real primary has no group of ours';
const suite = reason === undefined ? describe : describe.skip;
const observeEveryMs = 60_000;
const expiredAfterMs = 10 * observeEveryMs;

let folder: string;
let store: Store<InventoryTables>;
let now: number;
let env: Record<string, string> = {};
const dependencies = () => inventoryDependencies(store, { clock: () => now, env, fencingToken: 1, observeEveryMs });

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-news-'));
  store = await openInventoryStore(join(folder, 'inventory.db'));
  now = Date.parse('2026-11-21T12:00:00.000Z');
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

const published = async (type: string) =>
  (await publishedEvents(store)).filter(each => each.type === type).map(({ data }) => data);
/** Steps until there is nothing to do; how many there were. */
async function run<Subject, Observation, Decision, Outcome>(
  runner: RunnerDefinition<Subject, Observation, Decision, Outcome>,
): Promise<number> {
  let steps = 0;
  for (const subject of await runner.subjects())
    while (await runOneStep(runner, subject, { signal: AbortSignal.timeout(20_000), clock: () => now })) steps += 1;
  return steps;
}
const claim = (groupId: string, executionId: string) =>
  store.transaction(tx => beginHold(tx, { executionId, groupId, claimedAt: new Date(now).toISOString() }));

/** A look at an instance in no group, a minute after the one before. */
async function look(parts: Partial<SeenInstance>): Promise<void> {
  now += observeEveryMs;
  const credentials = { userRef: 'env:SQL_USER', passwordRef: 'env:SQL_PASSWORD' };
  const address = { server: 'dr1', port: 1433, instanceName: null, encrypt: true, trustServerCertificate: false };
  const unread = { databases: [], jobs: null, jobDefinitions: null, logins: null, linkedServers: null, unread: [] };
  await store.transaction(tx =>
    recordInstance(dependencies(), tx, {
      id: instanceId('DR1'),
      name: 'DR1',
      site: 'Cork',
      address: { ...address, ...credentials },
      observedAt: new Date(now).toISOString(),
      seen: { serverName: 'DR1', productVersion: '16.0.1', edition: null, ...unread, ...parts },
    }),
  );
}
const instance = { instanceId: instanceId('DR1'), serverName: 'DR1' };

describe('logins', () => {
  const sa = { name: 'sa', sid: '0x01', kind: 'SQL_LOGIN', disabled: true };
  const orders = { name: 'orders', sid: '0x5A', kind: 'SQL_LOGIN', disabled: false };

  it('are published at the first look, and again only when they, or whether they can be read, changed', async () => {
    const steps = [[sa, orders], [orders, sa], null, null, [sa]];
    for (const logins of steps) await look({ logins });
    expect(await published(loginsObserved.type)).toEqual(
      [
        { version: 1, observedAt: '2026-11-21T12:01:00.000Z', logins: [orders, sa] },
        { version: 2, observedAt: '2026-11-21T12:03:00.000Z', logins: null },
        { version: 3, observedAt: '2026-11-21T12:05:00.000Z', logins: [sa] },
      ].map(event => ({ ...instance, ...event })),
    );
  });

  it('that could not be read at the first look are published as such', async () => {
    await look({});
    expect(await published(loginsObserved.type)).toMatchObject([{ version: 1, logins: null }]);
  });

  it('of a store from before they were published are published once', async () => {
    await look({ logins: [sa] });
    await store.transaction(async tx => {
      await tx.updateTable('sql_instance').set({ told_logins: null }).execute();
    });
    await look({ logins: [sa] });
    await look({ logins: [sa] });
    expect((await published(loginsObserved.type)).map(({ version }) => version)).toEqual([1, 2]);
  });
});

describe('jobs', () => {
  const backup = { name: 'Backup', enabled: true, steps: [], schedules: [] };
  const monitor = { ...backup, name: 'Monitor' };
  const ran = (hour: number) => ({
    name: 'Backup',
    enabled: true,
    lastRun: `2026-11-21T${String(hour)}:00:00.000Z`,
    lastOutcome: hour > 10 ? 'FAILED' : 'SUCCEEDED',
    nextRun: `2026-11-21T${String(hour)}:15:00.000Z`,
  });

  it('are published at the first look, and again only when they, or whether they can be read, changed', async () => {
    const steps = [[backup, monitor], [monitor, backup], null, null, [{ ...backup, enabled: false }]];
    for (const jobDefinitions of steps) await look({ jobDefinitions });
    expect(await published(jobsObserved.type)).toEqual([
      { ...instance, version: 1, observedAt: '2026-11-21T12:01:00.000Z', jobs: [backup, monitor] },
      { ...instance, version: 2, observedAt: '2026-11-21T12:03:00.000Z', jobs: null },
      { ...instance, version: 3, observedAt: '2026-11-21T12:05:00.000Z', jobs: [{ ...backup, enabled: false }] },
    ]);
    expect(await published(loginsObserved.type)).toHaveLength(1);
  });

  it('are no news by their runs', async () => {
    for (const hour of [10, 11]) await look({ jobs: [ran(hour)], jobDefinitions: [backup] });
    expect(await published(jobsObserved.type)).toMatchObject([{ version: 1, jobs: [backup] }]);
  });

  it('and logins that changed at one look have one version', async () => {
    await look({ jobDefinitions: [backup], logins: [] });
    await look({ jobDefinitions: [], logins: null });
    for (const type of [jobsObserved.type, loginsObserved.type])
      expect((await published(type)).map(({ version }) => version)).toEqual([1, 2]);
  });

  it('of a store from before they were published are published once', async () => {
    await look({ jobDefinitions: [backup] });
    await store.transaction(async tx => {
      await tx.updateTable('sql_instance').set({ told_jobs: null }).execute();
    });
    for (let looks = 0; looks < 2; looks += 1) await look({ jobDefinitions: [backup] });
    expect((await published(jobsObserved.type)).map(({ version }) => version)).toEqual([1, 2]);
  });
});

suite(`what is published of a server${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  let estate: string;
  let server: TestServer;
  beforeAll(async () => {
    estate = mkdtempSync(join(tmpdir(), 'holdfast-news-estate-'));
    server = await startInstance(estate, process.env);
    env = { SQL_USER: server.credentials.user, SQL_PASSWORD: server.credentials.password };
    await prepareGroup(server);
  }, 60_000);
  afterAll(async () => {
    await server.close();
    rmSync(estate, { recursive: true, force: true });
  });
  const connection = () => ({
    ...connectionTo(server),
    authentication: 'SQL_LOGIN' as const,
    trustServerCertificate: false,
  });

  describe('in no group, as a standby is', () => {
    beforeEach(async () => {
      const registered = await registerSqlInstance(dependencies(), admin, {
        idempotencyKey: 'first',
        name: 'Standby',
        site: 'Cork',
        connection: connection(),
      });
      expect(registered).toMatchObject({ instance: { name: 'Standby' } });
    });
    const told = async () =>
      (await published(loginsObserved.type)).map(({ version, logins }) => [
        version,
        (logins as { name: string }[]).map(({ name }) => name),
      ]);

    it('is each login that was created or dropped there, once', async () => {
      const login = 'CONTOSO\\svc-orders';
      const names = (more: readonly string[]) => [...more, server.credentials.user];
      expect(await told()).toEqual([[1, names([])]]);
      await onServer(server, `CREATE LOGIN [${login}] FROM WINDOWS`);
      for (let looks = 0; looks < 2; looks += 1) {
        now += observeEveryMs;
        expect(await run(instanceRunner(dependencies()))).toBe(1);
      }
      expect(await told()).toEqual([
        [1, names([])],
        [2, names([login])],
      ]);
      await onServer(server, `DROP LOGIN [${login}]`);
      now += observeEveryMs;
      await run(instanceRunner(dependencies()));
      expect((await told()).slice(2)).toEqual([[3, names([])]]);
    });

    it('is left alone while an execution is under way, for it may be its standby', async () => {
      const executionId = newId();
      await claim(newId(), executionId);
      now += observeEveryMs;
      expect(await run(instanceRunner(dependencies()))).toBe(0);
      const [id] = await store.read(instancesBesideManagement);
      expect(await store.read(db => reasonNotToAsk(db, id!))).toContain(executionId);
      await store.transaction(tx => endHold(tx, { executionId }));
      expect(await run(instanceRunner(dependencies()))).toBe(1);
    });
  });

  describe('with a group', () => {
    beforeEach(async () => {
      const registered = await registerGroup(dependencies(), admin, {
        idempotencyKey: 'first',
        name: 'Orders',
        site: 'Dublin',
        management: { ...connection(), database: management },
        dryRun: false,
      });
      expect(registered).toMatchObject({ group: { version: 1 } });
    });
    const problems = async () =>
      (await published(groupObserved.type)).map(({ coverage }) =>
        (coverage as { database: string; problem: string; reason: { code: string } }[]).map(
          ({ problem, reason: { code } }) => `${problem} ${code}`,
        ),
      );
    const seenNow = ['NOT_IN_JOB SSO_ROW_MISSING'];
    const outdated = ['UNKNOWN TABLES_OUTDATED', 'UNKNOWN INSTANCE_OUTDATED', 'UNKNOWN INSTANCE_OUTDATED', ...seenNow];

    it('is its coverage, and a look that finds the same says nothing', async () => {
      now += observeEveryMs;
      expect(await run(observationRunner(dependencies()))).toBe(1);
      expect(await run(newsRunner(dependencies()))).toBe(0);
      expect(await problems()).toEqual([seenNow]);
    });

    it('is that it is unknown as soon as facts are too old, once, until somebody looked again', async () => {
      const [group] = await store.read(allGroups);
      const executionId = newId();
      await claim(group!.id, executionId);
      now += expiredAfterMs;
      expect(await run(observationRunner(dependencies()))).toBe(0);
      expect(await run(newsRunner(dependencies()))).toBe(0);
      now += 1;
      expect(await run(newsRunner(dependencies()))).toBe(1);
      now += expiredAfterMs;
      expect(await run(newsRunner(dependencies()))).toBe(0);
      expect(await problems()).toEqual([seenNow, outdated]);
      await store.transaction(tx => endHold(tx, { executionId }));
      expect(await run(observationRunner(dependencies()))).toBe(1);
      expect(await problems()).toEqual([seenNow, outdated, seenNow]);
      expect((await store.read(allGroups))[0]?.version).toBe(3);
    });

    it('is published once when it comes from a store that had nothing published of it', async () => {
      await store.transaction(async tx => {
        await tx.updateTable('biztalk_group').set({ told: null }).execute();
      });
      expect(await run(newsRunner(dependencies()))).toBe(1);
      expect(await run(newsRunner(dependencies()))).toBe(0);
      expect(await problems()).toEqual([seenNow, seenNow]);
    });
  });
});
