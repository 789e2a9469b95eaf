import { randomUUID } from 'node:crypto';
import type { Server } from 'node:http';
import { getGraphQLWSOptions } from '@graphql-hive/gateway-runtime';
import { CloseCode, type Context } from 'graphql-ws';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import type { Authenticate, Session } from './authentication.ts';
import type { Runtime } from './runtime.ts';

type Extra = {
  readonly request: unknown;
  readonly socket: { close(code: number, reason: string): void };
  session?: Session;
};
type SocketContext = Context<{ authorization?: unknown }, Extra>;

/** graphql-ws for clients, at the GraphQL path. The token comes as `connectionParams.authorization`. */
export function serveSockets(server: Server, runtime: Runtime, authenticate: Authenticate): { stop(): Promise<void> } {
  const webSocketServer = new WebSocketServer({ server, path: '/graphql', maxPayload: 1_000_000 });
  const options = getGraphQLWSOptions<Record<string, unknown>, Extra>(runtime as never, context => ({
    req: context.extra.request as never,
    socket: context.extra.socket,
    session: context.extra.session,
    traceId: randomUUID(),
  }));
  const served = useServer<{ authorization?: unknown }, Extra>(
    {
      ...(options as object),
      onConnect: context => connect(context, authenticate),
    },
    webSocketServer,
  );
  return { stop: async () => served.dispose() };
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
