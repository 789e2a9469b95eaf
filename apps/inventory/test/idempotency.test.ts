import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createLogger, type Service } from '@holdfast/service';
import { signedClient } from '@holdfast/service/testing';
import { type TestServer, whyNoTestServer } from '@holdfast/sqlserver/testing';
import { openStore } from '@holdfast/store';
import { createInventory, inventorySchema } from '../src/service.ts';
import type { InventoryTables } from '../src/tables.ts';
import { contentsOf } from './contents.ts';
import { admin, connectionTo, management, prepareGroup, startInstance } from './estate.ts';
import { publishedEvents } from './store.ts';

const key = Buffer.from('k'.repeat(32));
const describeWithServer = whyNoTestServer(process.env) === undefined ? describe : describe.skip;

let folder: string;
let server: TestServer;
let stateFolder: string;
let inventory: Service;
let url: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-idempotency-'));
  server = await startInstance(folder, process.env);
  await prepareGroup(server);
}, 60_000);
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  stateFolder = mkdtempSync(join(folder, 'state-'));
  await start();
});
afterEach(() => inventory.stop());

async function start(): Promise<void> {
  inventory = createInventory(inventorySchema.parse({ stateFolder, signingKey: 'env:UNUSED' }), {
    env: { SQL_USER: server.credentials.user, SQL_PASSWORD: server.credentials.password },
    signingKey: key,
    logger: createLogger({ service: 'inventory', level: 'silent' }),
  });
  ({ url } = await inventory.start());
}

type Answer = {
  readonly __typename: string;
  readonly id?: string;
  readonly group?: { id: string };
  readonly sqlInstance?: { id: string };
};
type Mutation = (change?: object, caller?: typeof admin) => Promise<Answer>;

function mutation(name: string, input: string, fields: string, standard: () => object): Mutation {
  return async (change = {}, caller = admin) => {
    const client = signedClient({ url, key, subgraph: 'inventory', caller });
    const text = `mutation ($input: ${input}!) { result: ${name}(input: $input) { __typename ${fields} } }`;
    const answer = await client
      .query(text, { input: { idempotencyKey: 'first', site: 'Dublin', ...standard(), ...change } })
      .finally(() => client.close());
    if (answer.errors !== undefined) throw new Error(JSON.stringify(answer.errors));
    return answer.data?.['result'] as Answer;
  };
}

const mutations = {
  registerGroup: {
    send: mutation(
      'registerGroup',
      'RegisterGroupInput',
      '... on BizTalkGroup { id name } ... on GroupAlreadyRegistered { group { id } }',
      () => ({ name: 'Orders', management: { ...connectionTo(server), database: management } }),
    ),
    made: 'BizTalkGroup',
    taken: (id: string | undefined) => ({ __typename: 'GroupAlreadyRegistered', group: { id } }),
    published: ['instance.addressed', 'sqlInstance.loginsObserved', 'sqlInstance.jobsObserved', 'group.observed'],
  },
  registerSqlInstance: {
    send: mutation(
      'registerSqlInstance',
      'RegisterSqlInstanceInput',
      '... on SqlInstance { id name } ... on SqlInstanceAlreadyRegistered { sqlInstance { id } }',
      () => ({ name: 'Primary', connection: connectionTo(server) }),
    ),
    made: 'SqlInstance',
    taken: (id: string | undefined) => ({ __typename: 'SqlInstanceAlreadyRegistered', sqlInstance: { id } }),
    published: [
      'instance.addressed',
      'sqlInstance.loginsObserved',
      'sqlInstance.jobsObserved',
      'sqlInstance.registered',
    ],
  },
} as const;

const contents = () => contentsOf(join(stateFolder, 'inventory.db'));

/** Types of everything published, without prefix and version. */
async function published(): Promise<string[]> {
  const store = openStore<InventoryTables>({ file: join(stateFolder, 'inventory.db') });
  const events = await publishedEvents(store);
  await store.close();
  return events.map(({ type }) => type.split('.').slice(3, -1).join('.'));
}

const times = <T>(count: number, make: (index: number) => Promise<T>) =>
  Promise.all(Array.from({ length: count }, (_, index) => make(index)));

describeWithServer.each(Object.entries(mutations))('%s', (_name, { send, made, taken, published: expected }) => {
  it('answers a repeated request as it did, twenty at once and after a restart', async () => {
    const answers = await times(20, () => send());
    expect(answers[0]).toMatchObject({ __typename: made, id: expect.any(String) });
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    await inventory.stop();
    await start();
    expect(await send()).toEqual(answers[0]);
    expect(await published()).toEqual(expected);
  });

  it('refuses a key that comes again with other input, one after the other and at once', async () => {
    const answers = await times(2, index => send({ name: `Name ${String(index)}` }));
    expect(answers.map(({ __typename }) => __typename).sort()).toEqual([made, 'IdempotencyKeyReused'].sort());
    const before = contents();
    expect(await send({ name: 'Another' })).toEqual({ __typename: 'IdempotencyKeyReused' });
    expect(contents()).toEqual(before);
    expect(await published()).toEqual(expected);
  });

  it('makes one of many requests under different keys and refuses the others by the name of the one', async () => {
    const answers = await times(20, index => send({ idempotencyKey: `key ${String(index)}` }));
    const [one, ...more] = answers.filter(({ __typename }) => __typename === made);
    expect(more).toEqual([]);
    const refused = answers.filter(answer => answer !== one);
    expect(refused).toHaveLength(19);
    for (const answer of refused) expect(answer).toEqual(taken(one?.id));
    const before = contents();
    expect(await send({ idempotencyKey: 'one more' })).toEqual(taken(one?.id));
    expect(contents()).toEqual(before);
    expect(await published()).toEqual(expected);
  });

  it('knows a key as that of its caller', async () => {
    const { id } = await send();
    expect(await send({}, { ...admin, sub: 'somebody else' })).toEqual(taken(id));
  });
});

describeWithServer('a key', () => {
  it('belongs to one mutation', async () => {
    await mutations.registerSqlInstance.send();
    expect(await mutations.registerGroup.send()).toEqual({ __typename: 'IdempotencyKeyReused' });
  });

  it('is free again when its request was refused', async () => {
    const { send } = mutations.registerSqlInstance;
    const wrong = { ...connectionTo(server), passwordRef: 'env:NOWHERE' };
    expect(await send({ connection: wrong })).toEqual({ __typename: 'LoginRefused' });
    expect(await send()).toMatchObject({ __typename: 'SqlInstance' });
  });
});
