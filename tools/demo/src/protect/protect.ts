import { estateFolders } from '../estate/folders.ts';
import { backupPath, copiesPath, groupName, management, primary, standby } from '../estate/sample-group.ts';
import type { GatewayClient } from '../gateway-client.ts';
import { outcomeOf, type Union, until } from './answers.ts';

export type Protected = {
  readonly groupId: string;
  readonly standbyId: string;
  /** Of the primary. */
  readonly sourceId: string;
};

export type EstateAddresses = {
  readonly dataFolder: string;
  readonly ports: Readonly<Record<string, number>>;
};

const notYetLimitMs = 30_000;

/** Registers the sample group and its standby over the gateway. What is registered already is found again, so it may be called at every start. */
export async function protectEstate(client: GatewayClient, estate: EstateAddresses): Promise<Protected> {
  const groupId = await registerGroup(client, estate);
  const instanceId = await registerStandbyInstance(client, estate);
  const sourceId = await sourceInstance(client, groupId);
  const standbyId = await createStandby(client, estate, groupId, instanceId);
  return { groupId, standbyId, sourceId };
}

function connection({ dataFolder, ports }: EstateAddresses, folder: string) {
  const { userFile, passwordFile } = estateFolders(dataFolder);
  return {
    server: '127.0.0.1',
    port: ports[folder],
    authentication: 'SQL_LOGIN',
    userRef: `file:${userFile}`,
    passwordRef: `file:${passwordFile}`,
    // The stand-in has no TLS yet.
    encrypt: false,
  };
}

/** Resolves with the group's id, whether it was registered now or before. */
export async function registerGroup(client: GatewayClient, estate: EstateAddresses): Promise<string> {
  const input = {
    idempotencyKey: 'sample-group',
    name: groupName,
    site: 'primary',
    management: { ...connection(estate, primary.folder), database: management },
  };
  const { registerGroup: answer } = await client.ask<{ registerGroup: Union }>(
    `mutation ($input: RegisterGroupInput!) { registerGroup(input: $input) {
      __typename ... on BizTalkGroup { id } ... on GroupAlreadyRegistered { group { id } }
      ... on Refusal { message fix } } }`,
    { input },
  );
  return outcomeOf(answer, 'BizTalkGroup', { GroupAlreadyRegistered: 'group' });
}

async function registerStandbyInstance(client: GatewayClient, estate: EstateAddresses): Promise<string> {
  const input = {
    idempotencyKey: 'sample-standby-instance',
    name: standby.name,
    site: 'standby',
    connection: connection(estate, standby.folder),
  };
  const { registerSqlInstance: answer } = await client.ask<{ registerSqlInstance: Union }>(
    `mutation ($input: RegisterSqlInstanceInput!) { registerSqlInstance(input: $input) {
      __typename ... on SqlInstance { id } ... on SqlInstanceAlreadyRegistered { sqlInstance { id } }
      ... on Refusal { message fix } } }`,
    { input },
  );
  return outcomeOf(answer, 'SqlInstance', { SqlInstanceAlreadyRegistered: 'sqlInstance' });
}

async function sourceInstance(client: GatewayClient, groupId: string): Promise<string> {
  const { group } = await client.ask<{ group: { instances: { id: string }[] } | null }>(
    'query ($id: ID!) { group(id: $id) { instances { id } } }',
    { id: groupId },
  );
  const [source, ...others] = group?.instances ?? [];
  if (source === undefined || others.length > 0)
    throw new Error(`The sample group lies on one instance; inventory knows ${group?.instances.length ?? 0}.`);
  return source.id;
}

async function createStandby(
  client: GatewayClient,
  { dataFolder }: EstateAddresses,
  groupId: string,
  instanceId: string,
): Promise<string> {
  const { standbys } = await client.ask<{ standbys: { id: string }[] | null }>(
    'query ($groupId: ID) { standbys(groupId: $groupId) { id } }',
    { groupId },
  );
  const [existing] = standbys ?? [];
  if (existing !== undefined) return existing.id;
  const { share, copies } = estateFolders(dataFolder);
  const folder = { source: backupPath, sourceInstance: primary.name, read: share, write: copies, standby: copiesPath };
  const input = {
    idempotencyKey: 'sample-standby',
    groupId,
    site: 'standby',
    mode: 'MANAGED',
    instances: [{ instanceId, sourceInstances: [primary.name], transfer: { kind: 'COPY', folders: [folder] } }],
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
