import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, describe, expect, it } from '@jest/globals';
import { createLogger, readConfig } from '@holdfast/service';
import { createGateway, gatewaySchema } from '../src/service.ts';
import { gatewayConfig, startEstate, until } from './estate.ts';
import { signingKey } from './identity.ts';
import { openSocket } from './socket-client.ts';
import { removeTemporaryFolders } from './temporary-folder.ts';

afterAll(removeTemporaryFolders);

const logger = createLogger({ service: 'gateway', level: 'fatal' });

describe('at a stop', () => {
  it('an open request is finished, an open subscription told, a new connection refused', async () => {
    const estate = await startEstate();
    const socket = openSocket(estate.url, await estate.token());
    const subscription = socket.subscribe('subscription { ticks { n } }');
    await until('subscribed', () => estate.ticker.open === 1);
    estate.inventory.fault = 'hang';
    const before = estate.inventory.seen.length;
    const open = estate.ask('{ me }');
    await until('the request is at the subgraph', () => estate.inventory.seen.length > before);
    const stopped = estate.stopGateway();
    const { received } = await subscription.finished;
    expect(received).toMatchObject([{ errors: [{ extensions: { code: 'SHUTTING_DOWN', retryable: true } }] }]);
    await expect(fetch(new URL('/livez', estate.url))).rejects.toThrow();
    estate.inventory.fault = undefined;
    estate.inventory.release();
    expect(await open).toMatchObject({ status: 200, body: { data: { me: expect.any(String) } } });
    await stopped;
    await estate.stop();
  });

  it('the wait for open requests is bounded', async () => {
    const estate = await startEstate({ overrides: { drainMs: 50 } });
    estate.inventory.fault = 'hang';
    const open = estate.ask('{ me }');
    const cut = expect(open).rejects.toThrow();
    await until('the request is at the subgraph', () => estate.inventory.seen.length > 0);
    await estate.stopGateway();
    await cut;
    await estate.stop();
  });

  it('the runtime leaves the process signals to us, before and after', async () => {
    const count = (): number[] => ['SIGTERM', 'SIGINT', 'exit'].map(signal => process.listenerCount(signal));
    const ours = (): void => undefined;
    process.on('SIGTERM', ours);
    const before = count();
    const estate = await startEstate();
    await estate.ask('{ groups { id plan } }');
    expect(count()).toEqual(before);
    expect(process.listeners('SIGTERM')).toContain(ours);
    await estate.stop();
    process.removeListener('SIGTERM', ours);
  });
});

describe('health', () => {
  it('is ready, then degraded but not out of service when a subgraph is dead', async () => {
    const estate = await startEstate();
    const readiness = async (): Promise<{ status: number; body: unknown }> => {
      const response = await fetch(new URL('/readyz', estate.url));
      return { status: response.status, body: await response.json() };
    };
    expect((await fetch(new URL('/livez', estate.url))).status).toBe(200);
    expect(await readiness()).toMatchObject({ status: 200, body: { status: 'ready' } });
    await estate.backup.stop();
    const degraded = await readiness();
    expect(degraded).toMatchObject({
      status: 200,
      body: {
        status: 'degraded',
        checks: expect.arrayContaining([
          expect.objectContaining({ name: 'supergraph', ok: true }),
          expect.objectContaining({ name: 'subgraph:backup', ok: false, since: expect.any(String) }),
          expect.objectContaining({ name: 'subgraph:inventory', ok: true }),
        ]),
      },
    });
    expect(JSON.stringify(degraded)).not.toContain('127.0.0.1');
    const page = await estate.ask('{ groups { id plan } }');
    expect(page.body.data).toEqual({
      groups: [
        { id: 'g1', plan: null },
        { id: 'g2', plan: null },
      ],
    });
    const metrics = await (await fetch(new URL('/metrics', estate.url))).text();
    expect(metrics).toMatch(/holdfast_gateway_subgraph_unavailable_total\{service="backup"\} [1-9]/);
    expect((await fetch(new URL('/healthcheck', estate.url))).status).toBe(404);
    await estate.stop();
  });
});

describe('a start', () => {
  const urls = { inventory: 'http://127.0.0.1:1/graphql', backup: 'http://127.0.0.1:1/graphql' };

  it('names a taken port', async () => {
    const squatter = createServer();
    await new Promise<void>(resolve => squatter.listen(0, '127.0.0.1', resolve));
    const { port } = squatter.address() as AddressInfo;
    const gateway = createGateway(
      { ...gatewayConfig(urls), http: { host: '127.0.0.1', port } },
      { signingKey, logger },
    );
    await expect(gateway.start()).rejects.toThrow(`127.0.0.1:${port}`);
    await gateway.stop();
    await new Promise(resolve => squatter.close(resolve));
  });

  it('refuses a short key and a subgraph without address', async () => {
    await expect(
      createGateway(gatewayConfig(urls), { signingKey: new Uint8Array(16), logger }).start(),
    ).rejects.toThrow('32 bytes');
    const config = gatewayConfig({ inventory: urls.inventory });
    await expect(createGateway(config, { signingKey, logger }).start()).rejects.toThrow('backup');
  });
});

describe('addresses of subgraphs', () => {
  const read = (address: string) => {
    const env = {
      HOLDFAST_GATEWAY__SUBGRAPHS__SHIPPING: address,
      HOLDFAST_GATEWAY__AUTH: '{ issuer: i, audience: a, publicKeyFile: f }',
      HOLDFAST_GATEWAY__SIGNING_KEY: 'env:K',
    };
    return readConfig({ section: 'gateway', schema: gatewaySchema, env }).subgraphs['shipping'];
  };

  it('are one or several, with commas between in the environment', () => {
    expect(read('http://a/graphql')).toEqual(['http://a/graphql']);
    expect(read('http://a/graphql, https://b:8/graphql')).toEqual(['http://a/graphql', 'https://b:8/graphql']);
  });

  it.each(['', 'http://a/graphql,', 'http://a/graphql,ftp://b/graphql', '[]'])(
    'are refused when one is none: "%s"',
    address => {
      expect(() => read(address)).toThrow('subgraphs.shipping');
    },
  );
});
