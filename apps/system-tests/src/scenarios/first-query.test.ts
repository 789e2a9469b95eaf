import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ask, audience, identityProvider, issuer } from '../harness/client.ts';
import { freePorts, type RunningApp, startApp } from '../harness/process.ts';

const subgraphs = ['inventory', 'backup', 'shipping', 'restore'] as const;

let folder: string;
const services = new Map<string, RunningApp>();
let gateway: RunningApp | undefined;
let identity: Awaited<ReturnType<typeof identityProvider>>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-first-query-'));
  identity = await identityProvider();
  writeFileSync(join(folder, 'issuer.pem'), identity.publicKeyPem);
  writeFileSync(join(folder, 'signing.key'), 's'.repeat(48));
  const [gatewayPort = 0, ...ports] = await freePorts(1 + subgraphs.length);
  const signingKey = `file:${join(folder, 'signing.key')}`;
  await Promise.all(
    subgraphs.map(async (name, index) => {
      const port = ports[index] ?? 0;
      const section = `HOLDFAST_${name.toUpperCase()}__`;
      const env = { HTTP__PORT: String(port), STATE_FOLDER: folder, SIGNING_KEY: signingKey };
      const inSection = Object.fromEntries(Object.entries(env).map(([setting, value]) => [section + setting, value]));
      services.set(name, await startApp(name, port, inSection));
    }),
  );
  const addresses = [...services].map(([name, { url }]) => [
    `HOLDFAST_GATEWAY__SUBGRAPHS__${name.toUpperCase()}`,
    `${url}/graphql`,
  ]);
  gateway = await startApp('gateway', gatewayPort, {
    HOLDFAST_GATEWAY__HTTP__PORT: String(gatewayPort),
    HOLDFAST_GATEWAY__SIGNING_KEY: signingKey,
    HOLDFAST_GATEWAY__AUTH__ISSUER: issuer,
    HOLDFAST_GATEWAY__AUTH__AUDIENCE: audience,
    HOLDFAST_GATEWAY__AUTH__PUBLIC_KEY_FILE: join(folder, 'issuer.pem'),
    ...Object.fromEntries(addresses),
  });
}, 90_000);

afterAll(async () => {
  // A start that failed half-way leaves what had started.
  await Promise.all([gateway, ...services.values()].filter(app => app !== undefined).map(app => app.stop()));
  rmSync(folder, { recursive: true, force: true });
});

const query = '{ groups { nodes { id name } pageInfo { hasNextPage } } }';

describe('the services behind the signed gateway, each in its own process', () => {
  it('answer one who may read', async () => {
    const answer = await ask(gateway!.url, await identity.token(['viewer']), query);
    expect(answer).toEqual({ status: 200, data: { groups: { nodes: [], pageInfo: { hasNextPage: false } } } });
  });

  it('answer nobody without a token', async () => {
    expect(await ask(gateway!.url, undefined, query)).toMatchObject({
      status: 401,
      errors: [{ extensions: { code: 'UNAUTHENTICATED' } }],
    });
  });

  it.each(subgraphs)('%s is not reached past the gateway', async name => {
    const { url } = services.get(name)!;
    expect(await ask(url, await identity.token(['admin']), '{ __typename }')).toMatchObject({
      status: 401,
      errors: [{ extensions: { code: 'UNAUTHENTICATED' } }],
    });
    expect(await ask(url, undefined, '{ _service { sdl } }')).toMatchObject({ status: 401 });
  });
});

it('names the service that is missing and keeps the rest of the page', async () => {
  await services.get('inventory')!.stop('SIGKILL');
  const page = '{ groups { nodes { id } } executions { nodes { id } } standbys { id } }';
  const answer = await ask(gateway!.url, await identity.token(['viewer']), page);
  expect(answer.data).toEqual({ groups: null, executions: { nodes: [] }, standbys: [] });
  expect(answer.errors).toMatchObject([
    { path: ['groups'], extensions: { code: 'SUBGRAPH_UNAVAILABLE', service: 'inventory', retryable: true } },
  ]);
  expect(JSON.stringify(answer)).not.toContain('127.0.0.1');
});
