/** Who may ask what: every query, mutation and subscription of the API, as each role and as nobody. One that is not listed here fails. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Answer, ask, firstEvent } from '../harness/client.ts';
import { type Services, startServices } from '../harness/services.ts';

const roles = ['viewer', 'operator', 'recovery-manager', 'approver', 'auditor', 'admin'] as const;
type Role = (typeof roles)[number];

const everybody: readonly Role[] = roles;
const whoWorks: readonly Role[] = ['operator', 'recovery-manager', 'admin'];
const whoRecovers: readonly Role[] = ['recovery-manager'];
const whoAdministers: readonly Role[] = ['admin'];

const id = '"00000000-0000-7000-8000-000000000000"';
/** Nobody listens there, and there is no such secret: what may be asked goes no further. */
const connection = 'server: "127.0.0.1", port: 1, userRef: "env:NOBODY_USER", passwordRef: "env:NOBODY_PASSWORD"';
const newest = 'target: { newest: true }';

type Entry = { readonly may: readonly Role[]; readonly ask: string };

const queries: Readonly<Record<string, Entry>> = {
  groups: { may: everybody, ask: 'groups { nodes { id } }' },
  group: { may: everybody, ask: `group(id: ${id}) { id }` },
  sqlInstances: { may: everybody, ask: 'sqlInstances { nodes { id } }' },
  sqlInstance: { may: everybody, ask: `sqlInstance(id: ${id}) { id }` },
  database: { may: everybody, ask: `database(id: ${id}) { id }` },
  backupSet: { may: everybody, ask: `backupSet(id: ${id}) { id }` },
  recoveryPoint: { may: everybody, ask: `recoveryPoint(id: ${id}) { id }` },
  recoveryPoints: { may: everybody, ask: `recoveryPoints(groupId: ${id}) { nodes { id } }` },
  recoveryPreview: {
    may: everybody,
    ask: `recoveryPreview(input: { groupId: ${id}, standbyId: ${id}, ${newest} }) { __typename }`,
  },
  standby: { may: everybody, ask: `standby(id: ${id}) { id }` },
  stream: { may: everybody, ask: `stream(id: ${id}) { id }` },
  standbys: { may: everybody, ask: 'standbys { id }' },
  execution: { may: everybody, ask: `execution(id: ${id}) { id }` },
  executions: { may: everybody, ask: 'executions { nodes { id } }' },
};

const mutations: Readonly<Record<string, Entry>> = {
  registerGroup: {
    may: whoAdministers,
    ask: `registerGroup(input: { idempotencyKey: "matrix", name: "M", site: "S", dryRun: true, management: { ${connection}, database: "M" } })`,
  },
  registerSqlInstance: {
    may: whoAdministers,
    ask: `registerSqlInstance(input: { idempotencyKey: "matrix", name: "M", site: "S", connection: { ${connection} } })`,
  },
  createStandby: {
    may: whoWorks,
    ask: `createStandby(input: { idempotencyKey: "matrix", groupId: ${id}, site: "S", dryRun: true, instances: [{ instanceId: ${id}, sourceInstances: ["M"], transfer: { kind: COPY, folders: [] } }] })`,
  },
  forceFullBackup: {
    may: whoWorks,
    ask: `forceFullBackup(input: { idempotencyKey: "matrix", groupId: ${id}, reason: "matrix", dryRun: true })`,
  },
  runBackupJob: {
    may: whoWorks,
    ask: `runBackupJob(input: { idempotencyKey: "matrix", groupId: ${id}, reason: "matrix", dryRun: true })`,
  },
  pauseStandby: { may: whoWorks, ask: `pauseStandby(input: { standbyId: ${id}, reason: "matrix" })` },
  resumeStandby: { may: whoWorks, ask: `resumeStandby(input: { standbyId: ${id} })` },
  reseedStandby: {
    may: whoWorks,
    ask: `reseedStandby(input: { idempotencyKey: "matrix", standbyId: ${id}, reason: "matrix", confirm: "M", dryRun: true })`,
  },
  confirmStep: { may: whoRecovers, ask: `confirmStep(input: { executionId: ${id}, stepId: ${id} })` },
  skipStep: { may: whoRecovers, ask: `skipStep(input: { executionId: ${id}, stepId: ${id}, reason: "matrix" })` },
  cancelExecution: { may: whoRecovers, ask: `cancelExecution(input: { executionId: ${id}, reason: "matrix" })` },
  startFailover: {
    may: whoRecovers,
    ask: `startFailover(input: { idempotencyKey: "matrix", groupId: ${id}, standbyId: ${id}, mode: UNPLANNED, ${newest}, reason: "matrix", confirm: "M" })`,
  },
};

const subscriptions: Readonly<Record<string, Entry>> = {
  standby: { may: everybody, ask: `standby(id: ${id}) { id }` },
  execution: { may: everybody, ask: `execution(id: ${id}) { id }` },
  recoveryPoints: { may: everybody, ask: `recoveryPoints(groupId: ${id}) { cursor }` },
};

let services: Services;
let tokens: ReadonlyMap<Role, string>;

beforeAll(async () => {
  services = await startServices({ INTROSPECTION: 'true' });
  const all = roles.map(async role => [role, await services.identity.token([role])] as const);
  tokens = new Map(await Promise.all(all));
}, 90_000);

afterAll(() => services.remove());

const gateway = (): string => services.app('gateway').url;
const codes = ({ errors = [] }: Answer): unknown[] => errors.map(({ extensions }) => extensions?.['code']);

type Root = { readonly fields: readonly { readonly name: string }[] };

it('lists every field that the API has', async () => {
  const schema =
    '{ __schema { queryType { fields { name } } mutationType { fields { name } } subscriptionType { fields { name } } } }';
  const { data } = await ask(gateway(), tokens.get('viewer'), schema);
  const { queryType, mutationType, subscriptionType } = data?.['__schema'] as Record<string, Root>;
  const names = (root: Root | undefined): string[] => (root?.fields ?? []).map(({ name }) => name).toSorted();
  expect(names(queryType)).toEqual(Object.keys(queries).toSorted());
  expect(names(mutationType)).toEqual(Object.keys(mutations).toSorted());
  expect(names(subscriptionType)).toEqual(Object.keys(subscriptions).toSorted());
});

describe.each(Object.entries(queries))('query %s', (_name, { may, ask: field }) => {
  it.each(roles)('as %s', async role => {
    const answer = await ask(gateway(), tokens.get(role), `{ ${field} }`);
    expect(answer).toMatchObject({ status: 200 });
    expect(codes(answer)).toEqual(may.includes(role) ? [] : ['FORBIDDEN']);
  });
  it('as nobody', async () => {
    const answer = await ask(gateway(), undefined, `{ ${field} }`);
    expect(answer).toMatchObject({ status: 401 });
    expect(codes(answer)).toEqual(['UNAUTHENTICATED']);
  });
});

describe.each(Object.entries(mutations))('mutation %s', (name, { may, ask: field }) => {
  const text = `mutation { ${field} { __typename ... on NotAllowed { rule } } }`;
  it.each(roles)('as %s', async role => {
    const answer = await ask(gateway(), tokens.get(role), text);
    expect([answer.status, codes(answer)]).toEqual([200, []]);
    const result = answer.data?.[name] as { readonly __typename: string };
    if (may.includes(role)) expect(result.__typename).not.toBe('NotAllowed');
    else expect(result).toEqual({ __typename: 'NotAllowed', rule: expect.stringMatching(/^role:/) });
  });
  it('as nobody', async () => {
    const answer = await ask(gateway(), undefined, text);
    expect(answer).toMatchObject({ status: 401 });
    expect(codes(answer)).toEqual(['UNAUTHENTICATED']);
  });
});

describe.each(Object.entries(subscriptions))('subscription %s', (_name, { ask: field }) => {
  // Each of them names what does not exist: who may ask is told that, nobody is told nothing.
  it.each(roles)('as %s', async role => {
    const answer = await firstEvent(gateway(), tokens.get(role), `subscription { ${field} }`);
    expect(answer === undefined ? [] : codes(answer)).toEqual(['NOT_FOUND']);
  });
  it('as nobody', async () => {
    const answer = await firstEvent(gateway(), undefined, `subscription { ${field} }`);
    expect(answer).toMatchObject({ status: 401 });
    expect(answer === undefined ? [] : codes(answer)).toEqual(['UNAUTHENTICATED']);
  });
});
