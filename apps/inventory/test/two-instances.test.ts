import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventCodec, executionChanged, standbyClaimed, standbyReleased } from '@holdfast/events';
import {
  createEmbeddedBus,
  createOutbox,
  createRelay,
  eventLogOf,
  messagingMigrations,
  type MessagingTables,
} from '@holdfast/messaging';
import { createLogger, newId, type Service } from '@holdfast/service';
import { signedClient } from '@holdfast/service/testing';
import { type TestServer, whyNoTestServer } from '@holdfast/sqlserver/testing';
import { temporaryStore } from '@holdfast/store/testing';
import { createInventory, inventorySchema } from '../src/service.ts';
import { admin, onServer } from './estate.ts';
import {
  alias,
  connectionAt,
  databasesOn,
  prepareTwoInstances,
  secretsOf,
  serverNames,
  startAt,
} from './two-instances.ts';

// Of real servers there is one primary: this takes two.
const reason =
  process.env['SQLSERVER_URL'] === undefined ? whyNoTestServer(process.env) : 'one real primary is not two';
const suite = reason === undefined ? describe : describe.skip;
const key = Buffer.from('k'.repeat(32));
const closers: (() => unknown)[] = [];

let folder: string;
let servers: [TestServer, TestServer];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-two-instances-'));
  closers.push(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  servers = [await startAt(folder, 0, process.env), await startAt(folder, 1, process.env)];
  for (const server of servers) closers.push(() => server.close());
  await prepareTwoInstances(servers);
}, 120_000);
afterAll(async () => {
  for (const close of closers.reverse()) await close();
}, 60_000);

type View = {
  readonly groups: {
    readonly nodes: readonly {
      readonly id: string;
      readonly observation: Observation;
      readonly unaddressedInstances: readonly {
        readonly name: string;
        readonly databaseNames: readonly string[];
        readonly reason: { readonly code: string };
      }[];
      readonly coverage: readonly Finding[];
      readonly instances: readonly { readonly serverName: string; readonly observation: Observation }[];
      readonly databases: {
        readonly nodes: readonly {
          readonly name: string;
          readonly role: string;
          readonly state: string | null;
          readonly inBackupJob: boolean;
          readonly instance: { readonly serverName: string };
          readonly observation: Observation;
        }[];
      };
    }[];
  };
};
type Finding = {
  readonly database: string;
  readonly instance: string;
  readonly problem: string;
  readonly reason: { readonly code: string };
};
type Observation = { readonly freshness: string; readonly error: string | null };
const view = `{ groups { nodes { id observation { freshness error }
  unaddressedInstances { name databaseNames reason { code } }
  coverage { database instance problem reason { code } }
  instances { serverName observation { freshness error } }
  databases { nodes { name role state inBackupJob instance { serverName } observation { freshness error } } }
} } }`;

async function startService() {
  const bus = createEmbeddedBus();
  const config = inventorySchema.parse({
    stateFolder: mkdtempSync(join(folder, 'state-')),
    signingKey: 'env:UNUSED',
    observeEverySeconds: 0.5,
  });
  const service: Service = createInventory(config, {
    bus,
    env: secretsOf(servers),
    signingKey: key,
    logger: createLogger({ service: 'inventory', level: 'silent' }),
  });
  const { url } = await service.start();
  const ask = async <Data>(text: string, variables: Record<string, unknown> = {}): Promise<Data> => {
    const client = signedClient({ url, key, subgraph: 'inventory', caller: admin });
    const answer = await client.query(text, variables).finally(() => client.close());
    if (answer.errors !== undefined) throw new Error(JSON.stringify(answer.errors));
    return answer.data as Data;
  };
  return {
    bus,
    registerGroup: (change: object = {}) =>
      ask<{ result: { readonly __typename: string } & Record<string, unknown> }>(
        `mutation ($input: RegisterGroupInput!) { result: registerGroup(input: $input) {
          __typename ... on GroupDiscovery { databaseNames instanceNames unconfirmedInstances } } }`,
        {
          input: {
            idempotencyKey: newId(),
            name: 'Orders',
            site: 'Dublin',
            management: { ...connectionAt(servers[0], 0), database: 'BizTalkMgmtDb' },
            ...change,
          },
        },
      ),
    registerInstance: (name: string, at: 0 | 1) =>
      ask<{ result: { readonly __typename: string } }>(
        'mutation ($input: RegisterSqlInstanceInput!) { result: registerSqlInstance(input: $input) { __typename } }',
        { input: { idempotencyKey: newId(), name, site: 'Dublin', connection: connectionAt(servers[at], at) } },
      ),
    /** Asks until the one group is as wanted; the test's own time limit ends it. */
    async until(wanted: (group: View['groups']['nodes'][number]) => boolean) {
      for (;;) {
        const { groups } = await ask<View>(view);
        const group = groups.nodes[0];
        if (group !== undefined && wanted(group)) return group;
        await pause(20);
      }
    },
    /**
     * Asks until the one group passes. Its parts are read one after the other, and on a busy machine a look may come late: what is wanted
     * of one answer is asserted of that answer alone, and asked for again. @throws what the last answer lacked
     */
    async eventually(passes: (group: View['groups']['nodes'][number]) => void) {
      const limit = Date.now() + 20_000;
      for (;;) {
        const { groups } = await ask<View>(view);
        try {
          passes(groups.nodes[0] as View['groups']['nodes'][number]);
          return;
        } catch (error) {
          if (Date.now() > limit) throw error;
          await pause(20);
        }
      }
    },
    async stop() {
      await service.stop();
      await bus.close();
    },
  };
}

const rolesOf = (group: View['groups']['nodes'][number]) =>
  Object.fromEntries(
    group.databases.nodes.map(({ name, role, instance, state }) => [name, [role, instance.serverName, state]]),
  );
/** Databases by problem and reason. */
const findingsOf = (group: View['groups']['nodes'][number]) =>
  Object.fromEntries(
    [...new Set(group.coverage.map(({ problem, reason: { code } }) => `${problem} ${code}`))].map(kind => [
      kind,
      group.coverage
        .filter(({ problem, reason: { code } }) => `${problem} ${code}` === kind)
        .map(({ instance, database }) => `${instance}.${database}`)
        .sort(),
    ]),
  );
/** Nobody has made these ready for the job. */
const notReady = ['BAMAlertsApplication', 'BAMAlertsNSMain'].map(name => `${serverNames[0]}.${name}`);
/** As the tables place them. */
const onSecond = [
  ...['BizTalkDTADb', 'BizTalkMsgBoxDb2', 'EsbExceptionDb', 'EsbItineraryDb'].map(name => `${serverNames[1]}.${name}`),
  `${serverNames[1].toLowerCase()}.Billing`,
  `${alias}.Orders`,
];
const whole = {
  BizTalkMgmtDb: ['MANAGEMENT', serverNames[0], 'ONLINE'],
  BizTalkMsgBoxDb: ['MESSAGE_BOX_MASTER', serverNames[0], 'ONLINE'],
  BizTalkRuleEngineDb: ['RULE_ENGINE', serverNames[0], 'ONLINE'],
  SSODB: ['SSO', serverNames[0], 'ONLINE'],
  BAMPrimaryImport: ['BAM_PRIMARY_IMPORT', serverNames[0], 'ONLINE'],
  BAMAlertsApplication: ['BAM_ALERTS_APPLICATION', serverNames[0], 'ONLINE'],
  BAMAlertsNSMain: ['BAM_ALERTS_INSTANCE', serverNames[0], 'ONLINE'],
  BizTalkMsgBoxDb2: ['MESSAGE_BOX', serverNames[1], 'ONLINE'],
  BizTalkDTADb: ['TRACKING', serverNames[1], 'ONLINE'],
  EsbExceptionDb: ['CUSTOM', serverNames[1], 'ONLINE'],
  EsbItineraryDb: ['CUSTOM', serverNames[1], 'ONLINE'],
  Orders: ['CUSTOM', serverNames[1], 'ONLINE'],
  Billing: ['CUSTOM', serverNames[1], 'ONLINE'],
};

suite(`a group on two instances${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  it('is registered before its second instance and says what it lacks, name by name', async () => {
    const inventory = await startService();
    try {
      const { result } = await inventory.registerGroup({ dryRun: true });
      expect(result).toMatchObject({
        __typename: 'GroupDiscovery',
        instanceNames: [...serverNames, alias],
        unconfirmedInstances: [serverNames[1], alias],
      });
      expect(result['databaseNames']).toHaveLength(13);
      expect((await inventory.registerGroup()).result.__typename).toBe('BizTalkGroup');
      const first = await inventory.until(() => true);
      expect(first.databases.nodes.map(({ name }) => name).sort()).toEqual([...databasesOn[0]].sort());
      expect(first.unaddressedInstances).toEqual([
        {
          name: serverNames[1],
          databaseNames: ['BizTalkMsgBoxDb2', 'BizTalkDTADb', 'Billing', 'EsbExceptionDb', 'EsbItineraryDb'],
          reason: { code: 'INSTANCE_NOT_ADDRESSED' },
        },
        { name: alias, databaseNames: ['Orders'], reason: { code: 'INSTANCE_NOT_ADDRESSED' } },
      ]);

      // Billing is placed under another spelling of the same name.
      await inventory.eventually(group =>
        expect(findingsOf(group)).toEqual({
          'UNRESOLVED_SERVER INSTANCE_NOT_ADDRESSED': [...onSecond].sort(),
          'PROCEDURES_MISSING PROCEDURES_MISSING': notReady,
        }),
      );

      expect((await inventory.registerInstance('the second one', 1)).result.__typename).toBe('SqlInstance');
      const second = await inventory.until(group => group.unaddressedInstances.length === 1);
      expect(second.unaddressedInstances).toMatchObject([{ name: alias, databaseNames: ['Orders'] }]);
      expect(second.databases.nodes).toHaveLength(12);

      // The alias is no second server: it leads to the one that is known.
      expect((await inventory.registerInstance(alias, 1)).result.__typename).toBe('SqlInstance');
      const last = await inventory.until(group => group.unaddressedInstances.length === 0);
      expect(rolesOf(last)).toEqual(whole);
      // A look that knew nothing of Orders may have been the last one at the instance.
      await inventory.eventually(group =>
        expect(findingsOf(group)).toEqual({
          'PROCEDURES_MISSING PROCEDURES_MISSING': [...notReady, ...onSecond].sort(),
        }),
      );
      expect(last.instances.map(({ serverName }) => serverName).sort()).toEqual([...serverNames]);
      expect((await inventory.registerInstance('no name of the tables', 1)).result.__typename).toBe(
        'SqlInstanceAlreadyRegistered',
      );
    } finally {
      await inventory.stop();
    }
  });

  describe('registered after its second instance', () => {
    let inventory: Awaited<ReturnType<typeof startService>>;
    beforeAll(async () => {
      inventory = await startService();
      await inventory.registerInstance(alias, 1);
      await inventory.registerGroup();
    });
    afterAll(() => inventory.stop());

    it('is whole at once', async () => {
      const group = await inventory.until(() => true);
      expect(rolesOf(group)).toEqual(whole);
      expect(group.unaddressedInstances).toEqual([]);
    });

    it('notices a change on either instance', async () => {
      await onServer(servers[1], 'ALTER DATABASE [Orders] SET OFFLINE');
      await inventory.eventually(group => {
        expect(rolesOf(group)['Orders']?.[2]).toBe('OFFLINE');
        expect(findingsOf(group)['NOT_ONLINE NOT_ONLINE']).toEqual([`${alias}.Orders`]);
      });
      await onServer(servers[1], 'ALTER DATABASE [Orders] SET ONLINE');
      await inventory.until(group => rolesOf(group)['Orders']?.[2] === 'ONLINE');
    });

    it('is left alone from the claim of an execution to its release, and ages meanwhile', async () => {
      const { id: groupId } = await inventory.until(() => true);
      const restore = await startRestore(inventory.bus);
      const ids = { executionId: newId(), groupId, standbyId: newId() };
      const at = new Date().toISOString();
      await restore.say(tx => restore.outbox.append(tx, standbyClaimed, { ...ids, claimedAt: at }));
      // No look for ten intervals: nothing else makes all of it that old.
      await inventory.eventually(group => {
        for (const { observation } of [group, ...group.instances, ...group.databases.nodes])
          expect(observation).toMatchObject({
            freshness: 'EXPIRED',
            error: expect.stringContaining(ids.executionId),
          });
      });
      await restore.say(tx =>
        restore.outbox.append(tx, standbyReleased, { ...ids, outcome: 'RETURNED', releasedAt: at }),
      );
      await inventory.until(group =>
        [group, ...group.instances].every(
          ({ observation }) => observation.freshness === 'FRESH' && observation.error === null,
        ),
      );
      await restore.stop();
    });

    // Last: the second instance does not come back.
    it('keeps the facts of one fresh when the other is gone', async () => {
      await servers[1].close();
      await inventory.eventually(group => {
        expect(group.observation.freshness).toBe('FRESH');
        expect(rolesOf(group)).toEqual(whole);
        // What nobody has seen lately is not shown as fine.
        expect(findingsOf(group)).toEqual({
          'UNKNOWN INSTANCE_OUTDATED': [...onSecond].sort(),
          'PROCEDURES_MISSING PROCEDURES_MISSING': [...notReady, ...onSecond].sort(),
        });
        for (const { instance, observation } of group.databases.nodes)
          expect(observation).toMatchObject(
            instance.serverName === serverNames[0]
              ? { freshness: 'FRESH', error: null }
              : { freshness: 'EXPIRED', error: expect.any(String) },
          );
      });
    });
  });
});

/** What restore would say. */
async function startRestore(bus: ReturnType<typeof createEmbeddedBus>) {
  const temporary = await temporaryStore<MessagingTables>([messagingMigrations]);
  const { store } = temporary;
  const publishes = [standbyClaimed, standbyReleased, executionChanged];
  const topics = [...new Set(publishes.map(({ topic }) => topic))];
  await bus.register({ name: 'restore', topics, log: eventLogOf(store) });
  const relay = createRelay({ store, bus, service: 'restore', publishes, clock: Date.now });
  await relay.start();
  return {
    outbox: createOutbox({ service: 'restore', codec: eventCodec, clock: Date.now, newId: () => newId() }),
    say: (work: Parameters<typeof store.transaction>[0]) => store.transaction(work),
    async stop() {
      await relay.stop();
      await temporary.remove();
    },
  };
}
