import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { currentTrace, receivedTrace, runTraced, traceIdOf, type Tracing } from '@holdfast/service/tracing';
import type { Authenticate } from './authentication.ts';
import type { GatewayConfig } from './config.ts';
import type { Readiness } from './health.ts';
import type { GatewayMetrics } from './metrics.ts';
import type { Runtime } from './runtime.ts';
import { serveSockets } from './server-sockets.ts';

export type ServerParts = {
  readonly runtime: Runtime;
  readonly authenticate: Authenticate;
  readonly readiness: () => Promise<Readiness>;
  readonly metrics: GatewayMetrics;
  readonly tracing: Tracing;
  readonly landingPage: boolean;
  /** What is told to run before the wait for open answers, so that streams do not hold it up. */
  readonly endStreams: () => Promise<void>;
  readonly onError: (error: unknown, traceId: string) => void;
};

export type GatewayServer = { readonly url: string; stop(drainMs: number): Promise<void> };

export const graphqlPath = '/graphql';

/** A reader that is not listening must not hold up the stop. */
const lastWordsMs = 1_000;

/** Listens; an Error names the address when it is taken. */
export async function startServer({ host, port }: GatewayConfig['http'], parts: ServerParts): Promise<GatewayServer> {
  const open = new Set<ServerResponse>();
  let stopping = false;
  const server = createServer((request, response) => {
    open.add(response);
    response.once('close', () => open.delete(response));
    if (stopping) response.setHeader('connection', 'close');
    const traceId = requestIdOf(request);
    answer(request, response, traceId, parts).catch((error: unknown) => {
      parts.onError(error, traceId);
      if (!response.headersSent) refuse(response, 500, 'INTERNAL_SERVER_ERROR', 'Unexpected error.', false, traceId);
      else response.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', error =>
      reject(new Error(`cannot listen on ${host}:${port}: ${error.message}`, { cause: error })),
    );
    server.listen(port, host, resolve);
  });
  // After listening, or a taken port would be reported a second time, by the WebSocket server, to the console.
  const sockets = serveSockets(server, parts.runtime, parts.authenticate);
  const address = server.address() as AddressInfo;
  const shownHost = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return {
    url: `http://${shownHost}:${address.port}${graphqlPath}`,
    async stop(drainMs) {
      stopping = true;
      const closed = new Promise<void>(resolve => server.close(() => resolve()));
      await within(parts.endStreams(), lastWordsMs);
      await sockets.stop();
      await within(Promise.all([...open].map(whenClosed)), drainMs);
      server.closeIdleConnections();
      // What is still open has had its time.
      if (open.size > 0) server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  traceId: string,
  parts: ServerParts,
): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://gateway.invalid');
  if (pathname === '/livez') {
    sendJson(response, 200, { status: 'live' });
    return;
  }
  if (pathname === '/readyz') {
    const readiness = await parts.readiness();
    sendJson(response, readiness.status === 'not ready' ? 503 : 200, readiness);
    return;
  }
  if (pathname === '/metrics') {
    const text = await parts.metrics.registry.metrics();
    response.writeHead(200, { 'content-type': parts.metrics.registry.contentType }).end(text);
    return;
  }
  if (pathname !== graphqlPath) {
    refuse(response, 404, 'NOT_FOUND', `The API is at ${graphqlPath}.`, false, traceId);
    return;
  }
  const startedAt = performance.now();
  response.once('close', () =>
    parts.metrics.observeRequest(response.statusCode, (performance.now() - startedAt) / 1000),
  );
  const wantsPage =
    request.method === 'GET' && !searchParams.has('query') && (request.headers.accept ?? '').includes('text/html');
  if (parts.landingPage && wantsPage) {
    await parts.runtime(request, response, { traceId });
    return;
  }
  // Before anything is read: whoever is nobody learns nothing from parse or validation errors either.
  const outcome = await parts.authenticate(request.headers.authorization);
  if ('refusal' in outcome) {
    const { status, code, message, retryable } = outcome.refusal;
    if (status === 401) response.setHeader('www-authenticate', 'Bearer');
    refuse(response, status, code, message, retryable, traceId);
    return;
  }
  const { session } = outcome;
  const parent = request.headers['traceparent'] as string;
  await runTraced(parts.tracing, 'operation', { parent }, async () => {
    await parts.runtime(request, response, { traceId, session, traceparent: currentTrace() });
  });
}

/**
 * A caller's own request id is kept when it is harmless in logs, else it is the id of the trace; subgraphs get it under the same name. A
 * caller's trace is gone on with.
 */
function requestIdOf(request: IncomingMessage): string {
  const traceparent = receivedTrace(request.headers['traceparent']);
  const given = request.headers['x-request-id'];
  const requestId = typeof given === 'string' && /^[\w-]{8,64}$/.test(given) ? given : traceIdOf(traceparent);
  request.headers['traceparent'] = traceparent;
  request.headers['x-request-id'] = requestId;
  return requestId;
}

function refuse(
  response: ServerResponse,
  status: number,
  code: string,
  message: string,
  retryable: boolean,
  traceId: string,
): void {
  sendJson(response, status, { errors: [{ message, extensions: { code, retryable, traceId } }] });
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(body));
}

function whenClosed(response: ServerResponse): Promise<void> {
  return new Promise(resolve => response.once('close', resolve));
}

async function within(work: Promise<unknown>, limitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([work, new Promise(resolve => (timer = setTimeout(resolve, limitMs)))]);
  clearTimeout(timer);
}
