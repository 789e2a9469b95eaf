import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Estate, gatewayConfig, startEstate } from './estate.ts';
import { openSocket } from './socket-client.ts';
import { removeTemporaryFolders } from './temporary-folder.ts';

let estate: Estate;
beforeAll(async () => {
  estate = await startEstate({
    config: { limits: { maxDepth: 4, maxTokens: 60, upstreamTimeoutMs: 2_000, resumeWithinMs: 5_000 } },
  });
});
afterAll(() => estate.stop());
afterAll(removeTemporaryFolders);

const deep = '{ group { parent { parent { parent { parent { id } } } } } }';
const long = `{ ${Array.from({ length: 40 }, (_, n) => `a${n}: me`).join(' ')} }`;

describe('an operation', () => {
  it.each([
    ['too deep', deep, /deeper than 4 levels/],
    ['too long', long, /longer than 60 tokens/],
  ])('that is %s is refused by the name of the limit, over HTTP and WebSocket', async (_what, query, message) => {
    const before = estate.inventory.seen.length;
    const { status, body } = await estate.ask(query);
    expect(status).toBe(400);
    const expected = {
      message: expect.stringMatching(message),
      extensions: { code: 'LIMIT_EXCEEDED', retryable: false, fix: expect.any(String) },
    };
    expect(body.errors).toMatchObject([expected]);
    const socket = openSocket(estate.url, await estate.token());
    const { received } = await socket.subscribe(query).finished;
    expect(received[0]?.errors).toMatchObject([expected]);
    await socket.close();
    expect(estate.inventory.seen.length).toBe(before);
  });

  it.each([
    ['{ groupz { id } }', 'GRAPHQL_VALIDATION_FAILED'],
    ['{ group { nam } }', 'GRAPHQL_VALIDATION_FAILED'],
    ['{ group ', 'GRAPHQL_PARSE_FAILED'],
    ['mutation { rename }', 'GRAPHQL_VALIDATION_FAILED'],
    ['mutation ($n: String!) { rename(name: $n) }', 'BAD_USER_INPUT'],
  ])('that is wrong has a code and no suggestion: %s', async (query, code) => {
    const { body } = await estate.ask(query);
    expect(body.errors).toHaveLength(1);
    expect(body.errors?.[0]?.extensions).toEqual({ code, retryable: false, traceId: expect.any(String) });
    expect(JSON.stringify(body)).not.toContain('Did you mean');
  });

  it('is one of at most ten in a request', async () => {
    const headers = { 'content-type': 'application/json', authorization: await estate.token() };
    const ask = async (count: number): Promise<Response> =>
      fetch(estate.url, {
        method: 'POST',
        headers,
        body: JSON.stringify(Array.from({ length: count }, () => ({ query: '{ backupHealth }' }))),
      });
    const ten = await ask(10);
    expect(await ten.json()).toEqual(Array.from({ length: 10 }, () => ({ data: { backupHealth: 'well' } })));
    expect((await ask(11)).status).toBe(413);
  });
});

describe('a request', () => {
  it.each([
    ['GET', undefined, undefined],
    ['POST', 'text/plain', JSON.stringify({ query: '{ me }' })],
    ['POST', 'application/x-www-form-urlencoded', 'query={me}'],
  ])('that a foreign page could send is refused: %s %s', async (method, contentType, body) => {
    const headers = {
      authorization: await estate.token(),
      ...(contentType === undefined ? {} : { 'content-type': contentType }),
    };
    const url = method === 'GET' ? `${estate.url}?query={me}` : estate.url;
    const response = await fetch(url, { method, headers, ...(body === undefined ? {} : { body }) });
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({
      errors: [{ extensions: { code: 'FORBIDDEN', traceId: expect.any(String) } }],
    });
  });

  it("that is no JSON is the caller's mistake", async () => {
    const headers = { authorization: await estate.token(), 'content-type': 'application/json' };
    const response = await fetch(estate.url, { method: 'POST', headers, body: '{"query"' });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      errors: [{ extensions: { code: 'BAD_REQUEST', retryable: false } }],
    });
  });
});

describe('introspection and the page in the browser', () => {
  const introspection = '{ __schema { queryType { name } } }';

  it('are off by default', async () => {
    const { body } = await estate.ask(introspection);
    expect(body.data ?? null).toBeNull();
    expect(body.errors?.[0]?.extensions['code']).toBe('GRAPHQL_VALIDATION_FAILED');
    expect((await fetch(estate.url, { headers: { accept: 'text/html' } })).status).toBe(401);
  });

  it('can be turned on; the page opens no operation', async () => {
    const open = await startEstate({ config: { introspection: true, landingPage: true } });
    expect((await open.ask(introspection)).body).toEqual({ data: { __schema: { queryType: { name: 'Query' } } } });
    const page = await fetch(open.url, { headers: { accept: 'text/html' } });
    expect([page.status, page.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/html')]);
    expect((await fetch(`${open.url}?query={me}`, { headers: { accept: 'text/html' } })).status).toBe(401);
    expect((await open.ask(introspection, { authorization: undefined })).status).toBe(401);
    await open.stop();
  });
});

it('the defaults bind to loopback', () => {
  expect(gatewayConfig({ inventory: 'http://127.0.0.1:1/graphql' }).http).toEqual({ host: '127.0.0.1', port: 0 });
});
