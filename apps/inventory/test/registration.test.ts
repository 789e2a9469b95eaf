import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventCodec, groupObserved, instanceAddressed } from '@holdfast/events';
import { createEmbeddedBus, createConsumer, messagingMigrations, type MessagingTables, on } from '@holdfast/messaging';
import { createLogger, newId, type Service } from '@holdfast/service';
import { signedClient } from '@holdfast/service/testing';
import { type TestServer, whyNoTestServer } from '@holdfast/sqlserver/testing';
import { temporaryStore } from '@holdfast/store/testing';
import { createInventory, inventorySchema } from '../src/service.ts';
import { contentsOf } from './contents.ts';
import { admin, connectionTo, onServer, prepareGroup, startInstance } from './estate.ts';

const key = Buffer.from('k'.repeat(32));
const describeWithServer = whyNoTestServer(process.env) === undefined ? describe : describe.skip;

let folder: string;
let server: TestServer;
let inventory: Service;
let url: string;
const env: Record<string, string> = {};
const bus = createEmbeddedBus();
const closers: (() => unknown)[] = [];
const seen: { groups: unknown[]; addresses: unknown[] } = { groups: [], addresses: [] };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-registration-'));
  server = await startInstance(folder, process.env);
  Object.assign(env, {
    SQL_USER: server.credentials.user,
    SQL_PASSWORD: server.credentials.password,
    WRONG: 'not the password',
    WINDOWS_USER: 'CONTOSO\\holdfast',
  });
  await prepareGroup(server);
  const config = inventorySchema.parse({
    stateFolder: join(folder, 'state'),
    signingKey: 'env:UNUSED',
    observeEverySeconds: 0.5,
  });
  inventory = createInventory(config, {
    bus,
    env,
    signingKey: key,
    logger: createLogger({ service: 'inventory', level: 'silent' }),
  });
  ({ url } = await inventory.start());
}, 60_000);

afterAll(async () => {
  await inventory.stop();
  await server.close();
  for (const close of closers.reverse()) await close();
  rmSync(folder, { recursive: true, force: true });
});

async function ask(text: string, variables: Record<string, unknown> = {}, caller = admin) {
  const client = signedClient({ url, key, subgraph: 'inventory', caller });
  try {
    return await client.query(text, variables);
  } finally {
    await client.close();
  }
}

const connection = (change: object = {}) => ({ ...connectionTo(server), ...change });

async function register(change: object = {}, management: object = {}, caller = admin) {
  const input = {
    idempotencyKey: 'first',
    name: 'Orders',
    site: 'Dublin',
    management: connection({ database: 'BizTalkMgmtDb', ...management }),
    ...change,
  };
  const text = `mutation ($input: RegisterGroupInput!) { result: registerGroup(input: $input) {
    __typename
    ... on Refusal { message fix }
    ... on InvalidInput { field }
    ... on NotAManagementDatabase { missing }
    ... on GroupDiscovery { databaseNames instanceNames unconfirmedInstances }
    ... on GroupAlreadyRegistered { group { name } }
    ... on BizTalkGroup { id name management { name } databases { nodes { name role state recoveryModel inBackupJob instance { serverName } } } }
  } }`;
  const answer = await ask(text, { input }, caller);
  if (answer.errors !== undefined) throw new Error(JSON.stringify(answer.errors));
  return answer.data?.['result'] as Record<string, unknown>;
}

async function registerInstance(change: object): Promise<Record<string, unknown>> {
  const text = `mutation ($input: RegisterSqlInstanceInput!) { result: registerSqlInstance(input: $input) {
    __typename ... on Refusal { message fix } ... on InvalidInput { field } } }`;
  const input = { idempotencyKey: 'an instance', name: 'Primary', site: 'Dublin', connection: connection(change) };
  const answer = await ask(text, { input });
  if (answer.errors !== undefined) throw new Error(JSON.stringify(answer.errors));
  return answer.data?.['result'] as Record<string, unknown>;
}

describeWithServer('registerGroup', () => {
  const refused: readonly (readonly [string, () => Promise<Record<string, unknown>>, object])[] = [
    ['a wrong password', () => register({}, { passwordRef: 'env:WRONG' }), { __typename: 'LoginRefused' }],
    [
      'a reference that leads nowhere',
      () => register({}, { passwordRef: 'env:NOWHERE' }),
      { __typename: 'LoginRefused', message: expect.stringContaining('env:NOWHERE') },
    ],
    [
      'a password in the place of a reference',
      () => register({}, { passwordRef: 'hunter2' }),
      { __typename: 'InvalidInput', field: 'management.passwordRef' },
    ],
    ['a closed port', () => register({}, { port: 1 }), { __typename: 'InstanceUnreachable' }],
    [
      'an unknown host',
      () => register({}, { server: 'no-such-host.invalid' }),
      { __typename: 'InstanceUnreachable', message: expect.stringContaining('no-such-host.invalid') },
    ],
    [
      'what is no name of a host',
      () => register({}, { server: 'no such host' }),
      { __typename: 'InvalidInput', field: 'management' },
    ],
    [
      'a port beside a named instance',
      () => register({}, { instanceName: 'BTS' }),
      { __typename: 'InvalidInput', field: 'management' },
    ],
    [
      'a SQL login declared to be a Windows account',
      () => register({}, { authentication: 'NTLM' }),
      { __typename: 'InvalidInput', field: 'management.userRef' },
    ],
    [
      'a Windows account declared to be a SQL login',
      () => register({}, { userRef: 'env:WINDOWS_USER' }),
      { __typename: 'InvalidInput', field: 'management.authentication' },
    ],
    [
      'a Windows account that the instance does not know',
      () => register({}, { authentication: 'NTLM', userRef: 'env:WINDOWS_USER' }),
      { __typename: 'LoginRefused' },
    ],
    [
      'another kind of account for an instance of the group',
      () => register({ instances: [{ name: 'SECOND', connection: { ...connection(), userRef: 'env:WINDOWS_USER' } }] }),
      { __typename: 'InvalidInput', field: 'instances.0.connection.authentication' },
    ],
    [
      'a database that is no Management database',
      () => register({}, { database: 'master' }),
      { __typename: 'NotAManagementDatabase', missing: expect.arrayContaining(['adm_Group']) },
    ],
    // What stands after the bracket is part of a name.
    ...['no]such', `Odd]'"Db`, `x]; DROP DATABASE [BizTalkMsgBoxDb]; --`].map(
      name =>
        [
          `a database called ${name}`,
          () => register({}, { database: name }),
          { __typename: 'NotAManagementDatabase', missing: [name] },
        ] as const,
    ),
    [
      'no Management database at all',
      () => register({}, { database: ' ' }),
      { __typename: 'InvalidInput', field: 'management.database' },
    ],
    ['an empty name', () => register({ name: ' ' }), { __typename: 'InvalidInput', field: 'name' }],
    ['a caller who may not', () => register({}, {}, { ...admin, roles: ['operator'] }), { __typename: 'NotAllowed' }],
    [
      'a wrong password of an instance',
      () => registerInstance({ passwordRef: 'env:WRONG' }),
      { __typename: 'LoginRefused' },
    ],
    ['a closed port of an instance', () => registerInstance({ port: 1 }), { __typename: 'InstanceUnreachable' }],
    [
      'an unknown host of an instance',
      () => registerInstance({ server: 'no-such-host.invalid' }),
      { __typename: 'InstanceUnreachable' },
    ],
    [
      'a database where none belongs',
      () => registerInstance({ database: 'master' }),
      { __typename: 'InvalidInput', field: 'connection.database' },
    ],
  ];
  const contents = () => contentsOf(join(folder, 'state', 'inventory.db'));

  it.each(refused)('refuses by name, and leaves everything as it was: %s', async (_what, ask, refusal) => {
    const before = contents();
    expect(await ask()).toEqual(
      expect.objectContaining({
        message: expect.stringMatching(/./),
        fix: expect.stringMatching(/./),
        ...refusal,
      }),
    );
    expect(contents()).toEqual(before);
    await onServer(server, 'USE [BizTalkMsgBoxDb]');
  });

  it('sends no login to an instance that the tables do not name', async () => {
    const wrong = { ...connection(), passwordRef: 'env:WRONG' };
    expect(await register({ dryRun: true, instances: [{ name: 'SECOND', connection: wrong }] })).toMatchObject({
      __typename: 'GroupDiscovery',
    });
  });

  it.each(['group', 'sqlInstance', 'database'])('has nothing under an id that nobody has: %s', async field => {
    const before = contents();
    const query = `query ($id: ID!) { found: ${field}(id: $id) { id } }`;
    expect(await ask(query, { id: newId() })).toEqual({ status: 200, data: { found: null } });
    expect((await ask(query, { id: `Odd]'"` })).errors?.[0]?.extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'id',
    });
    expect(contents()).toEqual(before);
  });

  it.each(['BizTalkGroup', 'SqlInstance', 'Database', 'Computer'])('has no entity under such an id: %s', async type => {
    const query = `query ($of: [_Any!]!) { _entities(representations: $of) { __typename } }`;
    const of = [{ __typename: type, id: newId() }];
    expect(await ask(query, { of })).toEqual({ status: 200, data: { _entities: [null] } });
  });

  it('shows in a dry run what it would find, and keeps nothing of it', async () => {
    const before = contents();
    expect(await register({ dryRun: true })).toEqual({
      __typename: 'GroupDiscovery',
      databaseNames: ['PRIMARY\\BTS.BizTalkMgmtDb', 'PRIMARY\\BTS.BizTalkMsgBoxDb'],
      instanceNames: ['PRIMARY\\BTS'],
      unconfirmedInstances: [],
    });
    expect(contents()).toEqual(before);
  });

  it('registers once, however often it is asked, and publishes what it found', async () => {
    const [first, again] = await Promise.all([register(), register()]);
    expect(first).toMatchObject({
      __typename: 'BizTalkGroup',
      name: 'Orders',
      management: { name: 'BizTalkMgmtDb' },
    });
    expect(again['id']).toBe(first['id']);
    // On a busy machine a look may come late once.
    await until(async () =>
      JSON.stringify((await ask('{ groups { nodes { observation { freshness } } } }')).data).includes('FRESH'),
    );
    expect(
      (first['databases'] as { nodes: { name: string }[] }).nodes.sort((a, b) => (a.name < b.name ? -1 : 1)),
    ).toEqual([
      {
        name: 'BizTalkMgmtDb',
        role: 'MANAGEMENT',
        state: 'ONLINE',
        recoveryModel: 'FULL',
        inBackupJob: true,
        instance: { serverName: 'PRIMARY\\BTS' },
      },
      {
        name: 'BizTalkMsgBoxDb',
        role: 'MESSAGE_BOX_MASTER',
        state: 'ONLINE',
        recoveryModel: 'FULL',
        inBackupJob: true,
        instance: { serverName: 'PRIMARY\\BTS' },
      },
    ]);
    expect(await register({ name: 'Other' })).toMatchObject({ __typename: 'IdempotencyKeyReused' });
    expect(await register({ idempotencyKey: 'second' })).toMatchObject({
      __typename: 'GroupAlreadyRegistered',
      group: { name: 'Orders' },
    });
    await listen();
    await until(() => seen.groups.length > 0 && seen.addresses.length > 0);
    expect(seen.groups[0]).toMatchObject({ groupId: first['id'], name: 'Orders', version: 1 });
    expect(seen.addresses).toMatchObject([
      { serverName: 'PRIMARY\\BTS', address: { userRef: 'env:SQL_USER', passwordRef: 'env:SQL_PASSWORD' } },
    ]);
  });

  it('notices a change by itself and raises the version', async () => {
    await onServer(server, 'ALTER DATABASE [BizTalkMsgBoxDb] SET RECOVERY SIMPLE');
    await until(() => JSON.stringify(seen.groups.at(-1)).includes('SIMPLE'));
    expect(seen.groups.at(-1)).toMatchObject({
      // On a busy machine facts may have been too old in between, and that was published as well.
      version: seen.groups.length,
      databases: expect.arrayContaining([
        expect.objectContaining({ name: 'BizTalkMsgBoxDb', recoveryModel: 'SIMPLE' }),
      ]),
    });
  });

  it('keeps the facts, with the reason, when the server is gone', async () => {
    await server.close();
    const query = '{ groups { nodes { observation { freshness error } databases { nodes { name } } } } }';
    type Seen = { observation: { freshness: string; error: string | null }; databases: { nodes: unknown[] } };
    let last: Seen | undefined;
    await until(async () => {
      [last] = ((await ask(query)).data?.['groups'] as { nodes: Seen[] }).nodes;
      // The facts may be too old before a look has failed.
      return last?.observation.freshness === 'EXPIRED' && last.observation.error !== null;
    });
    expect(last?.databases.nodes).toHaveLength(2);
    expect(JSON.stringify(last)).not.toContain(server.credentials.password);
  });
});

async function listen(): Promise<void> {
  const temporary = await temporaryStore<MessagingTables>([messagingMigrations]);
  const { store } = temporary;
  const note = (list: unknown[]) => async (_tx: unknown, payload: unknown) => void list.push(payload);
  const consumer = createConsumer<MessagingTables>({
    store,
    bus,
    name: 'test.listener',
    codec: eventCodec,
    subscriptions: [on(groupObserved, note(seen.groups)), on(instanceAddressed, note(seen.addresses))],
    clock: Date.now,
  });
  await consumer.start();
  closers.push(
    () => bus.close(),
    () => temporary.remove(),
    () => consumer.stop(),
  );
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const limit = Date.now() + 15_000;
  while (!(await condition())) {
    if (Date.now() > limit) throw new Error('the condition never became true');
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}
