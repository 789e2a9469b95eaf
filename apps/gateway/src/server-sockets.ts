import type { IncomingMessage, Server } from 'node:http';
import { getGraphQLWSOptions } from '@graphql-hive/gateway-runtime';
import { readAtSocketPace } from '@holdfast/service/read-receipts';
import { receivedTrace, traceIdOf } from '@holdfast/service/tracing';
import { CloseCode, type Context } from 'graphql-ws';
import { useServer } from 'graphql-ws/use/ws';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Authenticate, Session } from './authentication.ts';
import type { Runtime } from './runtime.ts';
import { isResultStream } from './streams.ts';

type Extra = {
  readonly request: IncomingMessage;
  readonly socket: WebSocket;
  session?: Session;
};
type SocketContext = Context<{ authorization?: unknown }, Extra>;

/** A client that has stopped reading does not answer the close frame either. */
const closeLimitMs = 1_000;

/** graphql-ws for clients, at the GraphQL path. The token comes as `connectionParams.authorization`. */
export function serveSockets(server: Server, runtime: Runtime, authenticate: Authenticate): { stop(): Promise<void> } {
  const webSocketServer = new WebSocketServer({ server, path: '/graphql', maxPayload: 1_000_000 });
  const options = getGraphQLWSOptions<Record<string, unknown>, Extra>(runtime as never, ({ extra }) => {
    // Each operation of the connection is a trace, unless whoever opened it named one for all of them.
    const traceparent = receivedTrace(extra.request.headers['traceparent']);
    const { request, socket, session } = extra;
    return { req: request, socket, session, traceparent, traceId: traceIdOf(traceparent) };
  });
  const served = useServer<{ authorization?: unknown }, Extra>(
    {
      ...(options as object),
      onConnect: context => connect(context, authenticate),
      onOperation: ({ extra }, _id, _payload, _args, result) =>
        isResultStream(result) ? readAtSocketPace(result, extra.socket) : undefined,
    },
    webSocketServer,
  );
  return {
    async stop() {
      const cut = setTimeout(() => webSocketServer.clients.forEach(client => client.terminate()), closeLimitMs);
      await served.dispose();
      clearTimeout(cut);
    },
  };
}

/** Client libraries come back after 4403 but not after 4401: a token that is no good now will not be better in a second. */
async function connect(context: SocketContext, authenticate: Authenticate): Promise<boolean> {
  const outcome = await authenticate(context.connectionParams?.authorization);
  if ('session' in outcome) {
    context.extra.session = outcome.session;
    return true;
  }
  const { code, message } = outcome.refusal;
  const closeCode = code === 'UNAUTHENTICATED' ? CloseCode.Unauthorized : CloseCode.Forbidden;
  context.extra.socket.close(closeCode, `${code}: ${message}`);
  return false;
}
