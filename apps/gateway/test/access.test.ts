import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { signCaller } from '@holdfast/service';
import { type Estate, startEstate } from './estate.ts';
import { audience, issuer, signingKey, type TokenWishes } from './identity.ts';
import { openSocket } from './socket-client.ts';
import { removeTemporaryFolders } from './temporary-folder.ts';

let estate: Estate;
beforeAll(async () => {
  estate = await startEstate();
});
afterAll(() => estate.stop());
afterAll(removeTemporaryFolders);

const badTokens: [string, Omit<TokenWishes, 'nowMs'>, string][] = [
  ['expired', { expiresInSeconds: -60 }, 'UNAUTHENTICATED'],
  ['signed by somebody else', { key: 'foreign' }, 'UNAUTHENTICATED'],
  ['signed with the public key as an HMAC secret', { key: 'public key as HMAC secret' }, 'UNAUTHENTICATED'],
  ['of another issuer', { issuer: 'https://elsewhere.invalid/' }, 'UNAUTHENTICATED'],
  ['for another audience', { audience: 'payroll' }, 'UNAUTHENTICATED'],
  ['without our claim', { claims: {} }, 'UNAUTHENTICATED'],
  ['with a malformed claim', { claims: { holdfast: { roles: 'admin', groups: ['*'] } } }, 'UNAUTHENTICATED'],
  ['without a known role', { roles: ['wizard'] }, 'FORBIDDEN'],
];

describe('a client', () => {
  it.each(badTokens)('with a token %s is refused over HTTP and WebSocket', async (_what, wishes, code) => {
    const before = estate.inventory.seen.length;
    const authorization = await estate.token(wishes);
    const { status, body } = await estate.ask('{ me }', { authorization });
    expect(status).toBe(code === 'FORBIDDEN' ? 403 : 401);
    expect(body).toEqual({
      errors: [{ message: expect.any(String), extensions: { code, retryable: false, traceId: expect.any(String) } }],
    });
    const socket = openSocket(estate.url, authorization);
    const { closed } = await socket.subscribe('subscription { ticks { n } }').finished;
    expect(closed).toMatchObject({ code: code === 'FORBIDDEN' ? 4403 : 4401, reason: expect.stringContaining(code) });
    expect(estate.inventory.seen.length).toBe(before);
  });

  it.each([undefined, '', 'Basic YTpi', 'Bearer', 'Bearer a b', 'Bearer not.a.token'])(
    'that sends %p is nobody',
    async authorization => {
      for (const query of [
        '{ me }',
        '{ __typename }',
        '{ __schema { types { name } } }',
        '{ nonsense',
        'subscription { ticks { n } }',
      ]) {
        const { status, body } = await estate.ask(query, { authorization });
        expect(status).toBe(401);
        expect(body.errors).toHaveLength(1);
        expect(body.errors?.[0]?.extensions['code']).toBe('UNAUTHENTICATED');
        expect(body.data).toBeUndefined();
      }
    },
  );

  it('is let in within the clock tolerance only', async () => {
    expect((await estate.ask('{ me }', { authorization: await estate.token({ expiresInSeconds: -3 }) })).status).toBe(
      200,
    );
    expect((await estate.ask('{ me }', { authorization: await estate.token({ expiresInSeconds: -7 }) })).status).toBe(
      401,
    );
  });
});

describe('a subgraph', () => {
  const caller = { sub: 'eve', roles: ['admin' as const], groups: ['*'] };
  const query = '{ me }';
  const sign = (subgraph: string, now: number, key: Uint8Array = signingKey): object =>
    signCaller(key, caller, subgraph, { query, variables: undefined }, now);

  it.each([
    ['unsigned', () => undefined, 'missing'],
    ['signed with another key', (now: number) => sign('inventory', now, new Uint8Array(32)), 'forged'],
    ['signed for another subgraph', (now: number) => sign('backup', now), 'forged'],
    [
      'with more roles than signed',
      (now: number) => ({ ...sign('inventory', now), roles: ['admin', 'approver'] }),
      'forged',
    ],
    ['signed too long ago', (now: number) => sign('inventory', now - 31_000), 'expired'],
  ])('refuses what is %s', async (_what, extension, problem) => {
    const body = JSON.stringify({ query, extensions: { holdfast: extension(estate.clock.now()) } });
    const response = await fetch(estate.inventory.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED', problem } }] });
  });
});

describe('with a key set over HTTP', () => {
  it('does not call a token bad when the identity provider is down', async () => {
    const provider: Server = createServer((_request, response) => response.writeHead(500).end());
    await new Promise<void>(resolve => provider.listen(0, '127.0.0.1', resolve));
    const { port } = provider.address() as AddressInfo;
    const auth = { issuer, audience, jwksUrl: `http://127.0.0.1:${port}/keys` };
    const other = await startEstate({ config: { auth } });
    const failing = await other.ask('{ me }');
    await new Promise(resolve => provider.close(resolve));
    const gone = await other.ask('{ me }');
    await other.stop();
    for (const { status, body } of [failing, gone]) {
      expect(status).toBe(503);
      expect(body.errors?.[0]?.extensions).toMatchObject({ code: 'IDENTITY_PROVIDER_UNAVAILABLE', retryable: true });
    }
  });
});
