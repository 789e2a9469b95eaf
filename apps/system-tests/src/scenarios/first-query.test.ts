import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ask, audience, identityProvider, issuer } from '../harness/client.ts';
import { freePorts, type RunningApp, startApp } from '../harness/process.ts';

let folder: string;
let inventory: RunningApp;
let gateway: RunningApp;
let identity: Awaited<ReturnType<typeof identityProvider>>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-first-query-'));
  identity = await identityProvider();
  writeFileSync(join(folder, 'issuer.pem'), identity.publicKeyPem);
  writeFileSync(join(folder, 'signing.key'), 's'.repeat(48));
  const [inventoryPort = 0, gatewayPort = 0] = await freePorts(2);
  const signingKey = `file:${join(folder, 'signing.key')}`;
  inventory = await startApp('inventory', inventoryPort, {
    HOLDFAST_INVENTORY__HTTP__PORT: String(inventoryPort),
    HOLDFAST_INVENTORY__STATE_FOLDER: folder,
    HOLDFAST_INVENTORY__SIGNING_KEY: signingKey,
  });
  gateway = await startApp('gateway', gatewayPort, {
    HOLDFAST_GATEWAY__HTTP__PORT: String(gatewayPort),
    HOLDFAST_GATEWAY__SUBGRAPHS__INVENTORY: `${inventory.url}/graphql`,
    HOLDFAST_GATEWAY__SIGNING_KEY: signingKey,
    HOLDFAST_GATEWAY__AUTH__ISSUER: issuer,
    HOLDFAST_GATEWAY__AUTH__AUDIENCE: audience,
    HOLDFAST_GATEWAY__AUTH__PUBLIC_KEY_FILE: join(folder, 'issuer.pem'),
  });
}, 60_000);

afterAll(async () => {
  await gateway.stop();
  await inventory.stop();
  rmSync(folder, { recursive: true, force: true });
});

const query = '{ groups { nodes { id name } pageInfo { hasNextPage } } }';

describe('inventory behind the signed gateway, each in its own process', () => {
  it('answers one who may read', async () => {
    const answer = await ask(gateway.url, await identity.token(['viewer']), query);
    expect(answer).toEqual({ status: 200, data: { groups: { nodes: [], pageInfo: { hasNextPage: false } } } });
  });

  it('answers nobody without a token', async () => {
    expect(await ask(gateway.url, undefined, query)).toMatchObject({
      status: 401,
      errors: [{ extensions: { code: 'UNAUTHENTICATED' } }],
    });
  });

  it('is not reached past the gateway', async () => {
    expect(await ask(inventory.url, await identity.token(['admin']), query)).toMatchObject({
      status: 401,
      errors: [{ extensions: { code: 'UNAUTHENTICATED' } }],
    });
    expect(await ask(inventory.url, undefined, '{ _service { sdl } }')).toMatchObject({ status: 401 });
  });
});

it('names the service that is missing', async () => {
  await inventory.stop('SIGKILL');
  const answer = await ask(gateway.url, await identity.token(['viewer']), query);
  expect(answer.data).toBeNull();
  expect(answer.errors?.[0]).toMatchObject({
    path: ['groups'],
    extensions: { code: 'SUBGRAPH_UNAVAILABLE', service: 'inventory', retryable: true },
  });
  expect(JSON.stringify(answer)).not.toContain('127.0.0.1');
});
