import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { DatabaseId, GroupId } from '@holdfast/domain';
import { type Caller, createLogger, newId, type Service } from '@holdfast/service';
import { signedClient } from '@holdfast/service/testing';
import { openStore } from '@holdfast/store';
import { inventorySchema } from '../src/config.ts';
import type { Group } from '../src/group/group.ts';
import { insertGroup } from '../src/group/group-store.ts';
import type { InventoryTables } from '../src/tables.ts';
import { createInventory } from '../src/service.ts';

const key = Buffer.from('k'.repeat(32));
const everywhere: Caller = { sub: 'test', roles: ['viewer'], groups: ['*'] };

let stateFolder: string;
let service: Service;
let url: string;
const groups: Group[] = ['Orders', 'Claims', 'Freight']
  .map(name => ({
    id: newId() as GroupId,
    name,
    site: 'Dublin',
    tags: ['erp'],
    version: 1,
    managementDatabaseId: newId() as DatabaseId,
    registeredAt: '2026-11-21T10:00:00.000Z',
    observedAt: null,
    observationError: null,
    awaitedInstances: [],
    tables: null,
    told: null,
  }))
  .sort((a, b) => (a.id < b.id ? -1 : 1));

beforeEach(async () => {
  stateFolder = mkdtempSync(join(tmpdir(), 'holdfast-inventory-'));
  const config = inventorySchema.parse({ stateFolder, signingKey: 'env:UNUSED' });
  service = createInventory(config, {
    signingKey: key,
    logger: createLogger({ service: 'inventory', level: 'silent' }),
  });
  ({ url } = await service.start());
  const store = openStore<InventoryTables>({ file: join(stateFolder, 'inventory.db') });
  for (const group of groups) await store.transaction(tx => insertGroup(tx, group, []));
  await store.close();
});
afterEach(async () => {
  await service.stop();
  rmSync(stateFolder, { recursive: true, force: true });
});

async function ask(text: string, variables: Record<string, unknown> = {}, caller = everywhere) {
  const client = signedClient({ url, key, subgraph: 'inventory', caller });
  try {
    return await client.query(text, variables);
  } finally {
    await client.close();
  }
}

describe('groups', () => {
  const page =
    'query ($first: Int, $after: String) { groups(first: $first, after: $after) { nodes { name } pageInfo { hasNextPage endCursor } } }';

  it('come in pages that continue where the last one ended', async () => {
    const first = await ask(page, { first: 2 });
    const { nodes, pageInfo } = first.data?.['groups'] as {
      nodes: { name: string }[];
      pageInfo: { hasNextPage: boolean; endCursor: string };
    };
    expect(pageInfo.hasNextPage).toBe(true);
    const second = await ask(page, { first: 2, after: pageInfo.endCursor });
    const rest = second.data?.['groups'] as { nodes: { name: string }[]; pageInfo: { hasNextPage: boolean } };
    expect(rest.pageInfo.hasNextPage).toBe(false);
    expect([...nodes, ...rest.nodes].map(({ name }) => name)).toEqual(groups.map(({ name }) => name));
  });

  it('refuse a page beyond the limit by naming it', async () => {
    const { errors } = await ask(page, { first: 201 });
    expect(errors?.[0]).toMatchObject({
      message: expect.stringContaining('200'),
      extensions: { code: 'BAD_USER_INPUT' },
    });
  });

  it("are only the caller's", async () => {
    const caller = { ...everywhere, groups: [groups[1]!.id] };
    expect((await ask('{ groups { nodes { name } } }', {}, caller)).data).toEqual({
      groups: { nodes: [{ name: groups[1]!.name }] },
    });
    expect((await ask('query ($id: ID!) { group(id: $id) { name } }', { id: groups[0]!.id }, caller)).data).toEqual({
      group: null,
    });
    expect((await ask('{ groups { nodes { name } } }', {}, { ...everywhere, groups: [] })).data).toEqual({
      groups: { nodes: [] },
    });
  });

  it('are refused without a role', async () => {
    expect(
      (await ask('{ groups { nodes { name } } }', {}, { ...everywhere, roles: [] })).errors?.[0]?.extensions?.['code'],
    ).toBe('FORBIDDEN');
  });
});

describe('group', () => {
  it('is found by its id, as root and as entity', async () => {
    const group = groups[0]!;
    const wanted = { name: group.name, site: 'Dublin', tags: ['erp'], registeredAt: group.registeredAt };
    const fields = 'name site tags registeredAt';
    expect(
      (await ask(`query ($id: ID!) { group(id: $id) { ${fields} } }`, { id: group.id.toUpperCase() })).data,
    ).toEqual({ group: wanted });
    const entities = `query ($of: [_Any!]!) { _entities(representations: $of) { ... on BizTalkGroup { ${fields} } } }`;
    expect((await ask(entities, { of: [{ __typename: 'BizTalkGroup', id: group.id }] })).data).toEqual({
      _entities: [wanted],
    });
  });

  it('refuses what is no id', async () => {
    expect((await ask('{ group(id: "1") { name } }')).errors?.[0]?.extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'id',
    });
  });
});
