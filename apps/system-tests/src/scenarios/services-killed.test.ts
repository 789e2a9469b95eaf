import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  createGatewayClient,
  type Estate,
  groupName,
  registerGroup,
  seededRandom,
  smallGroup,
  startEstate,
  wholeBelow,
} from '@holdfast/demo';
import { type Answer, ask } from '../harness/client.ts';
import { seed } from '../harness/sample-group.ts';
import { type AppName, apps, type Services, startServices, subgraphs } from '../harness/services.ts';

/** What each of them adds to a page. */
const fields = { inventory: 'groups', backup: 'recoveryPoints', shipping: 'standbys', restore: 'executions' } as const;
const page = `query ($id: ID!) {
  groups { nodes { id name } }
  recoveryPoints(groupId: $id) { nodes { id } }
  standbys { id }
  executions { nodes { id } }
}`;
/** About as long as a service takes to start: the second kill hits it anywhere in there. */
const longestStartMs = 1_200;

const random = seededRandom(seed);
const ending: (() => Promise<unknown>)[] = [];
let estate: Estate;
let services: Services;
let groupId: string;
let whole: Answer;

async function askPage(): Promise<Answer> {
  return ask(services.app('gateway').url, await services.identity.token(['viewer']), page, { id: groupId });
}

async function register(): Promise<string> {
  const token = await services.identity.token(['admin', 'operator']);
  const { group, ports } = estate;
  const client = createGatewayClient(`${services.app('gateway').url}/graphql`, token);
  return registerGroup(client, { dataFolder: services.folder, group, ports });
}

beforeAll(async () => {
  services = await startServices();
  ending.push(() => services.remove());
  estate = await startEstate(services.folder, smallGroup, () => undefined);
  ending.push(() => estate.stop());
  groupId = await register();
  whole = await askPage();
}, 180_000);

afterAll(async () => {
  for (const end of ending.toReversed()) await end();
}, 60_000);

it('answers a whole page of four services', () => {
  expect(whole).toEqual({
    status: 200,
    data: {
      groups: { nodes: [{ id: groupId, name: groupName }] },
      // Of a group that backup has not heard of: what inventory publishes does not reach it here.
      recoveryPoints: null,
      standbys: [],
      executions: { nodes: [] },
    },
  });
});

describe.each(apps)(`%s killed with -9, and again within its start (seed ${seed})`, name => {
  it('leaves the others at work', async () => {
    await services.app(name).stop('SIGKILL');
    if (name === 'gateway') {
      const ready = subgraphs.map(async subgraph => (await fetch(`${services.app(subgraph).url}/readyz`)).status);
      expect(await Promise.all(ready)).toEqual([200, 200, 200, 200]);
      return;
    }
    const { data, errors } = await askPage();
    expect(data).toEqual({ ...whole.data, [fields[name]]: null });
    expect(errors).toMatchObject([
      { path: [fields[name]], extensions: { code: 'SUBGRAPH_UNAVAILABLE', service: name, retryable: true } },
    ]);
  });

  it('comes back on its state', async () => {
    await killWithinStart(name);
    await services.launch(name).ready();
    expect(await askPage()).toEqual(whole);
    // The same request under the same key, before and after.
    expect(await register()).toBe(groupId);
  }, 180_000);
});

async function killWithinStart(name: AppName): Promise<void> {
  const launched = services.launch(name);
  await pause(wholeBelow(random, longestStartMs));
  await launched.stop('SIGKILL');
}
