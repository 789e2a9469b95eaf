import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ask } from '../harness/client.ts';
import { type Services, startServices, subgraphs } from '../harness/services.ts';

let services: Services;

beforeAll(async () => {
  services = await startServices();
}, 90_000);

afterAll(() => services.remove());

const query = '{ groups { nodes { id name } pageInfo { hasNextPage } } }';

describe('the services behind the signed gateway, each in its own process', () => {
  it('answer one who may read', async () => {
    const answer = await ask(services.app('gateway').url, await services.identity.token(['viewer']), query);
    expect(answer).toEqual({ status: 200, data: { groups: { nodes: [], pageInfo: { hasNextPage: false } } } });
  });

  it('answer nobody without a token', async () => {
    expect(await ask(services.app('gateway').url, undefined, query)).toMatchObject({
      status: 401,
      errors: [{ extensions: { code: 'UNAUTHENTICATED' } }],
    });
  });

  it.each(subgraphs)('%s is not reached past the gateway', async name => {
    const { url } = services.app(name);
    expect(await ask(url, await services.identity.token(['admin']), '{ __typename }')).toMatchObject({
      status: 401,
      errors: [{ extensions: { code: 'UNAUTHENTICATED' } }],
    });
    expect(await ask(url, undefined, '{ _service { sdl } }')).toMatchObject({ status: 401 });
  });
});
