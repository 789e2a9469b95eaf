import { copiesFolder, estateFolders } from '../estate/folders.ts';
import {
  backupPath,
  copiesPath,
  groupName,
  management,
  type SampleGroup,
  type SampleInstance,
} from '../estate/sample-group.ts';
import { askingAgain, type GatewayClient } from '../gateway-client.ts';
import { outcomeOf, type Union, until } from './answers.ts';

export type Protected = {
  readonly groupId: string;
  readonly standbyId: string;
  /** The primaries. */
  readonly sources: readonly { readonly id: string; readonly name: string }[];
};

export type EstateAddresses = {
  readonly dataFolder: string;
  readonly group: SampleGroup;
  /** By folder. */
  readonly ports: Readonly<Record<string, number>>;
};

const notYetLimitMs = 30_000;

type Asking = Pick<GatewayClient, 'ask'>;

/** Registers the sample group and its standby over the gateway. What is registered already is found again, so it may be called at every start. */
export async function protectEstate(
  client: GatewayClient,
  estate: EstateAddresses,
  { restAtMark = false }: { readonly restAtMark?: boolean } = {},
): Promise<Protected> {
  // A busy machine may need longer for a registration than an operation is given.
  const patient = askingAgain(client, notYetLimitMs);
  const groupId = await registerGroup(patient, estate);
  const instanceIds: string[] = [];
  for (const { standby } of estate.group) instanceIds.push(await registerStandbyInstance(patient, estate, standby));
  const sources = await sourceInstances(patient, estate, groupId);
  const standbyId = await createStandby(patient, estate, groupId, { instanceIds, restAtMark });
  return { groupId, standbyId, sources };
}

function connection({ dataFolder, ports }: EstateAddresses, folder: string) {
  const { userFile, passwordFile } = estateFolders(dataFolder);
  return {
    server: '127.0.0.1',
    port: ports[folder],
    authentication: 'SQL_LOGIN',
    userRef: `file:${userFile}`,
    passwordRef: `file:${passwordFile}`,
    // Nothing of it leaves this machine.
    encrypt: false,
  };
}

/** Resolves with the group's id, whether it was registered now or before. */
export async function registerGroup(client: Asking, estate: EstateAddresses): Promise<string> {
  const [first, ...others] = estate.group;
  const input = {
    idempotencyKey: 'sample-group',
    name: groupName,
    site: 'primary',
    management: { ...connection(estate, first.primary.folder), database: management },
    instances: others.map(({ primary: { name, folder } }) => ({ name, connection: connection(estate, folder) })),
  };
  const { registerGroup: answer } = await client.ask<{ registerGroup: Union }>(
    `mutation ($input: RegisterGroupInput!) { registerGroup(input: $input) {
      __typename ... on BizTalkGroup { id } ... on GroupAlreadyRegistered { group { id } }
      ... on Refusal { message fix } } }`,
    { input },
  );
  return outcomeOf(answer, 'BizTalkGroup', { GroupAlreadyRegistered: 'group' });
}

async function registerStandbyInstance(
  client: Asking,
  estate: EstateAddresses,
  { name, folder }: SampleInstance,
): Promise<string> {
  const input = {
    idempotencyKey: `sample-${folder}`,
    name,
    site: 'standby',
    connection: connection(estate, folder),
  };
  const { registerSqlInstance: answer } = await client.ask<{ registerSqlInstance: Union }>(
    `mutation ($input: RegisterSqlInstanceInput!) { registerSqlInstance(input: $input) {
      __typename ... on SqlInstance { id } ... on SqlInstanceAlreadyRegistered { sqlInstance { id } }
      ... on Refusal { message fix } } }`,
    { input },
  );
  return outcomeOf(answer, 'SqlInstance', { SqlInstanceAlreadyRegistered: 'sqlInstance' });
}

async function sourceInstances(
  client: Asking,
  { group }: EstateAddresses,
  groupId: string,
): Promise<Protected['sources']> {
  const wanted = group.map(({ primary }) => primary.name).toSorted();
  const { group: found } = await client.ask<{ group: FoundGroup | null }>(
    `query ($id: ID!) { group(id: $id) { instances { id name } unaddressedInstances { name reason { message fix } } } }`,
    { id: groupId },
  );
  const { instances, unaddressedInstances } = found ?? { instances: [], unaddressedInstances: [] };
  const names = instances.map(({ name }) => name).toSorted();
  if (unaddressedInstances.length > 0 || String(names) !== String(wanted))
    throw new Error(
      `The sample group lies on ${wanted.join(', ')}; inventory knows ${names.join(', ')} and has no way to ${JSON.stringify(unaddressedInstances)}.`,
    );
  return instances.map(({ id, name }) => ({ id, name }));
}

type FoundGroup = {
  readonly instances: readonly { readonly id: string; readonly name: string }[];
  readonly unaddressedInstances: readonly { readonly name: string }[];
};

async function createStandby(
  client: Asking,
  { dataFolder, group }: EstateAddresses,
  groupId: string,
  { instanceIds, restAtMark }: { readonly instanceIds: readonly string[]; readonly restAtMark: boolean },
): Promise<string> {
  const { standbys } = await client.ask<{ standbys: { id: string }[] | null }>(
    'query ($groupId: ID) { standbys(groupId: $groupId) { id } }',
    { groupId },
  );
  const [existing] = standbys ?? [];
  if (existing !== undefined) return existing.id;
  const { share } = estateFolders(dataFolder);
  const instances = group.map(({ primary, standby }, index) => {
    const views = { source: backupPath, sourceInstance: primary.name, read: share, standby: copiesPath };
    const folder = { ...views, write: copiesFolder(dataFolder, standby) };
    return {
      instanceId: instanceIds[index],
      sourceInstances: [primary.name],
      transfer: { kind: 'COPY', folders: [folder] },
    };
  });
  const input = {
    idempotencyKey: 'sample-standby',
    groupId,
    site: 'standby',
    mode: 'MANAGED',
    instances,
    ...(restAtMark ? { restAtMark } : {}),
  };
  // Shipping learns of the group and of the instance by events.
  const answer = await until(notYetLimitMs, async () => {
    const { createStandby: created } = await client.ask<{ createStandby: Union }>(
      `mutation ($input: CreateStandbyInput!) { createStandby(input: $input) {
        __typename ... on Standby { id } ... on Refusal { message fix } } }`,
      { input },
    );
    return created.__typename === 'NotYetKnown' ? undefined : created;
  });
  return outcomeOf(answer, 'Standby');
}
