import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventCodec, groupObserved, instanceAddressed } from '@holdfast/events';
import { createEmbeddedBus, createConsumer, messagingMigrations, type MessagingTables, on } from '@holdfast/messaging';
import { createLogger, type Service } from '@holdfast/service';
import { signedClient } from '@holdfast/service/testing';
import { type TestServer, whyNoTestServer } from '@holdfast/sqlserver/testing';
import { temporaryStore } from '@holdfast/store/testing';
import { createInventory, inventorySchema } from '../src/service.ts';
import { admin, connectionTo, onServer, prepareGroup, startInstance } from './estate.ts';

const key = Buffer.from('k'.repeat(32));
const describeWithServer = whyNoTestServer(process.env) === undefined ? describe : describe.skip;

let folder: string;
let server: TestServer;
let inventory: Service;
let url: string;
const env: Record<string, string> = {};
const bus = createEmbeddedBus();
const seen: { groups: unknown[]; addresses: unknown[] } = { groups: [], addresses: [] };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-registration-'));
  server = await startInstance(folder, process.env);
  Object.assign(env, {
    SQL_USER: server.credentials.user,
    SQL_PASSWORD: server.credentials.password,
    WRONG: 'not the password',
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
  it('refuses by name what cannot be registered, and stores nothing of it', async () => {
    expect(await register({}, { passwordRef: 'env:WRONG' })).toMatchObject({ __typename: 'LoginRefused' });
    expect(await register({}, { passwordRef: 'env:NOWHERE' })).toMatchObject({
      __typename: 'LoginRefused',
      message: expect.stringContaining('env:NOWHERE'),
    });
    expect(await register({}, { port: 1 })).toMatchObject({ __typename: 'InstanceUnreachable' });
    expect(await register({}, { server: 'no-such-host.invalid' })).toMatchObject({
      __typename: 'InstanceUnreachable',
      message: expect.stringContaining('no-such-host.invalid'),
      fix: expect.stringMatching(/./),
    });
    expect(await register({}, { server: 'no such host' })).toMatchObject({
      __typename: 'InvalidInput',
      field: 'management',
    });
    expect(await register({}, { database: 'master' })).toMatchObject({
      __typename: 'NotAManagementDatabase',
      missing: expect.arrayContaining(['adm_Group']),
    });
    expect(await register({}, { database: 'no]such' })).toMatchObject({
      __typename: 'NotAManagementDatabase',
      missing: ['no]such'],
    });
    for (const name of [`Odd]'"Db`, `x]; DROP DATABASE [BizTalkMsgBoxDb]; --`])
      expect(await register({}, { database: name })).toMatchObject({
        __typename: 'NotAManagementDatabase',
        missing: [name],
      });
    const [name, wrong] = ['SECOND', { ...connection(), passwordRef: 'env:WRONG' }];
    // Not named in the tables: our login goes nowhere, and the group is found all the same.
    expect(await register({ dryRun: true, instances: [{ name, connection: wrong }] })).toMatchObject({
      __typename: 'GroupDiscovery',
    });
    expect(await registerInstance({ passwordRef: 'env:WRONG' })).toMatchObject({ __typename: 'LoginRefused' });
    expect(await registerInstance({ port: 1 })).toMatchObject({ __typename: 'InstanceUnreachable' });
    expect(await registerInstance({ database: 'master' })).toMatchObject({
      __typename: 'InvalidInput',
      field: 'connection.database',
    });
    expect(await register({}, { authentication: 'NTLM' })).toMatchObject({
      __typename: 'InvalidInput',
      field: 'management.authentication',
    });
    expect(await register({}, { instanceName: 'BTS' })).toMatchObject({
      __typename: 'InvalidInput',
      field: 'management',
    });
    expect(await register({}, { passwordRef: 'hunter2' })).toMatchObject({
      __typename: 'InvalidInput',
      field: 'management.passwordRef',
    });
    expect(await register({ name: ' ' })).toMatchObject({ __typename: 'InvalidInput', field: 'name' });
    expect(await register({}, {}, { ...admin, roles: ['operator'] })).toMatchObject({ __typename: 'NotAllowed' });
    expect((await ask('{ groups { nodes { id } } sqlInstances { nodes { id } } }')).data).toEqual({
      groups: { nodes: [] },
      sqlInstances: { nodes: [] },
    });
    // What stood after the bracket was part of a name: the database is still there.
    await onServer(server, 'USE [BizTalkMsgBoxDb]');
  });

  it('shows in a dry run what it would find', async () => {
    expect(await register({ dryRun: true })).toEqual({
      __typename: 'GroupDiscovery',
      databaseNames: ['PRIMARY\\BTS.BizTalkMgmtDb', 'PRIMARY\\BTS.BizTalkMsgBoxDb'],
      instanceNames: ['PRIMARY\\BTS'],
      unconfirmedInstances: [],
    });
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
    expect(seen.groups).toMatchObject([{ groupId: first['id'], name: 'Orders', version: 1 }]);
    expect(seen.addresses).toMatchObject([
      { serverName: 'PRIMARY\\BTS', address: { userRef: 'env:SQL_USER', passwordRef: 'env:SQL_PASSWORD' } },
    ]);
  });

  it('notices a change by itself and raises the version', async () => {
    await onServer(server, 'ALTER DATABASE [BizTalkMsgBoxDb] SET RECOVERY SIMPLE');
    await until(() => seen.groups.length > 1);
    expect(seen.groups[1]).toMatchObject({
      version: 2,
      databases: expect.arrayContaining([
        expect.objectContaining({ name: 'BizTalkMsgBoxDb', recoveryModel: 'SIMPLE' }),
      ]),
    });
  });

  it('keeps the facts, with the reason, when the server is gone', async () => {
    await server.close();
    const query = '{ groups { nodes { observation { freshness error } databases { nodes { name } } } } }';
    let last: unknown;
    await until(async () => {
      last = (await ask(query)).data;
      return JSON.stringify(last).includes('EXPIRED');
    });
    expect(last).toMatchObject({
      groups: {
        nodes: [
          { observation: { error: expect.any(String) }, databases: { nodes: [expect.anything(), expect.anything()] } },
        ],
      },
    });
    expect(JSON.stringify(last)).not.toContain(server.credentials.password);
  });
});

async function listen(): Promise<void> {
  const { store } = await temporaryStore<MessagingTables>([await messagingMigrations()]);
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
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const limit = Date.now() + 15_000;
  while (!(await condition())) {
    if (Date.now() > limit) throw new Error('the condition never became true');
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}
