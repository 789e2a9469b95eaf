import type { AddressInfo } from 'node:net';
import { ApolloServer, type ApolloServerPlugin } from '@apollo/server';
import {
  ApolloServerPluginInlineTraceDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginSchemaReportingDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from '@apollo/server/plugin/disabled';
import { buildSubgraphSchema } from '@apollo/subgraph';
import fastifyApollo from '@as-integrations/fastify';
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { GraphQLError, type DocumentNode } from 'graphql';
import type { Registry } from 'prom-client';
import type { Clock } from './clock.ts';
import { codeOf, masked, publicExtensions, renderError, unexpectedMessage } from './error-rendering.ts';
import { apiError } from './errors.ts';
import { registerHealth, type HealthCheck } from './health.ts';
import type { Caller } from './identity.ts';
import type { Logger } from './logger.ts';
import { operationsUnderWay, type OperationsUnderWay } from './operations-under-way.ts';
import { isError, safeMessage } from './safe-message.ts';
import { admitOperation, traceIdOf, type SignatureGate } from './signed-operation.ts';
import { serveSockets } from './socket-operations.ts';

const path = '/graphql';
const maxRequestBytes = 1_048_576;
const defaultDrainLimitMs = 10_000;
/** Set on every request as it arrives, whatever the client sent: the one thing of a request that reaches Apollo Server's hooks. */
const traceIdHeader = 'holdfast-trace-id';

type SubgraphModule = Extract<Parameters<typeof buildSubgraphSchema>[0], readonly unknown[]>[number];
export type SubgraphResolvers = NonNullable<Exclude<SubgraphModule, DocumentNode>['resolvers']>;

/** What one operation knows of its request. `signal` ends when the client has gone, the operation is over or the server stops. */
export type OperationContext = { readonly caller: Caller; readonly traceId: string; readonly signal: AbortSignal };

export type SubgraphOptions<Context extends object> = {
  /** As in the supergraph; part of every signature. */
  readonly name: string;
  readonly version?: string;
  readonly typeDefs: DocumentNode;
  readonly resolvers: SubgraphResolvers;
  /** 127.0.0.1 when left out. */
  readonly host?: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly signingKey: Uint8Array;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly checks: readonly HealthCheck[];
  /** The resolvers' context: a plain object of its own for each operation, because Apollo Server hands a copy on. */
  createContext(operation: OperationContext): Context | Promise<Context>;
  /** How long operations under way may take to finish at a stop; 10,000 when left out. */
  readonly drainLimitMs?: number;
};

/** `url` is the GraphQL endpoint for HTTP and, with ws:, for graphql-ws. */
export type RunningSubgraph = { readonly url: string; readonly port: number; stop(): Promise<void> };

/**
 * Serves one subgraph. No operation runs, `_service` and introspection included, unless the gateway signed it for this subgraph within
 * the last 30 s. @throws Error when the port is taken or the schema is wrong.
 */
export async function startSubgraph<Context extends object>(
  options: SubgraphOptions<Context>,
): Promise<RunningSubgraph> {
  const { name, typeDefs, resolvers, host = '127.0.0.1', port, signingKey, clock, logger } = options;
  const schema = buildSubgraphSchema([{ typeDefs, resolvers }]);
  const underWay = operationsUnderWay();
  const gate: SignatureGate = { key: signingKey, subgraph: name, clock };

  const createContext = async (operation: OperationContext): Promise<Context> => options.createContext(operation);
  const apollo = new ApolloServer<Context>({
    schema,
    introspection: true,
    csrfPrevention: true,
    persistedQueries: false,
    includeStacktraceInErrorResponses: false,
    stopOnTerminationSignals: false,
    nodeEnv: 'production',
    logger,
    formatError: formatRefusedRequest,
    plugins: [
      ApolloServerPluginInlineTraceDisabled(),
      ApolloServerPluginLandingPageDisabled(),
      ApolloServerPluginSchemaReportingDisabled(),
      ApolloServerPluginUsageReportingDisabled(),
      renderErrors(logger),
    ],
  });
  await apollo.start();

  const app = fastify({ bodyLimit: maxRequestBytes, logger: false });
  app.addHook('onRequest', async ({ headers }) => {
    headers[traceIdHeader] = traceIdOf(headers['traceparent']);
  });
  app.setErrorHandler((error, request, reply) =>
    refuseRequest(error, String(request.headers[traceIdHeader]), reply, logger),
  );
  registerHealth(app, options);
  await app.register(fastifyApollo(apollo), {
    path,
    // A GET cannot carry the signature.
    method: ['POST'],
    context: httpContext({ gate, logger, underWay, createContext }),
  });
  const { server } = app;
  const sockets = serveSockets({
    server,
    path,
    schema,
    gate,
    logger,
    maxMessageBytes: maxRequestBytes,
    underWay,
    createContext,
  });
  try {
    await listen(app, name, host, port);
  } catch (error) {
    await Promise.all([app.close(), sockets.stop(0), apollo.stop()]);
    throw error;
  }

  let stopping: Promise<void> | undefined;
  const bound = (server.address() as AddressInfo).port;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}${path}`,
    port: bound,
    stop: () => {
      stopping ??= drain(app, sockets, underWay, options.drainLimitMs ?? defaultDrainLimitMs).then(() => apollo.stop());
      return stopping;
    },
  };
}

async function listen(app: FastifyInstance, name: string, host: string, port: number): Promise<void> {
  try {
    await app.listen({ host, port });
  } catch (cause) {
    const taken = isError(cause) && 'code' in cause && cause.code === 'EADDRINUSE';
    const problem = taken
      ? `port ${port} is already in use on ${host}; choose another port or 0 for a free one`
      : safeMessage(cause);
    throw new Error(`${name} cannot listen: ${problem}.`, { cause });
  }
}

type ContextParts<Context> = {
  readonly gate: SignatureGate;
  readonly logger: Logger;
  readonly underWay: OperationsUnderWay;
  readonly createContext: (operation: OperationContext) => Promise<Context>;
};

/** Apollo Server asks for the context before it parses or executes anything: the one place where HTTP operations are let in. */
function httpContext<Context>({ gate, logger, underWay, createContext }: ContextParts<Context>) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<Context> => {
    const traceId = String(request.headers[traceIdHeader]);
    const caller = admitOperation(request.body, gate, traceId);
    const operation = underWay.begin();
    reply.raw.once('close', () => underWay.end(operation));
    try {
      return await createContext({ caller, traceId, signal: operation.signal });
    } catch (err) {
      if (err instanceof GraphQLError && codeOf(err) !== undefined) throw err;
      logger.error({ traceId, err }, 'the context of an operation could not be made');
      throw apiError('INTERNAL_SERVER_ERROR', unexpectedMessage, { traceId });
    }
  };
}

/** Replaces what Apollo Server made of an operation's errors: only here both the errors and the operation's trace id are at hand. */
function renderErrors<Context extends object>(logger: Logger): ApolloServerPlugin<Context> {
  return {
    requestDidStart: async () => ({
      willSendResponse: async ({ request, errors, response }) => {
        if (errors === undefined || errors.length === 0 || response.body.kind !== 'single') return;
        const traceId = request.http?.headers.get(traceIdHeader) ?? traceIdOf(undefined);
        response.body.singleResult.errors = errors.map(error => renderError(error, traceId, logger));
      },
    }),
  };
}

/** For requests refused before there is an operation; the errors of operations are rendered again by `renderErrors`. */
function formatRefusedRequest(_formatted: unknown, error: unknown) {
  const known = error instanceof GraphQLError ? codeOf(error) : undefined;
  const given = error instanceof GraphQLError ? error.extensions['traceId'] : undefined;
  const traceId = typeof given === 'string' ? given : traceIdOf(undefined);
  if (!(error instanceof GraphQLError) || known === undefined)
    return { message: unexpectedMessage, extensions: masked(traceId) };
  return { message: error.message, extensions: publicExtensions(error, known, traceId) };
}

/** Requests that fail before Apollo Server sees them: too large, no JSON. */
function refuseRequest(error: unknown, traceId: string, reply: FastifyReply, logger: Logger): FastifyReply {
  const given = isError(error) && 'statusCode' in error ? error.statusCode : undefined;
  const status = typeof given === 'number' && given >= 400 && given < 500 ? given : 500;
  const code = status === 413 ? 'LIMIT_EXCEEDED' : status < 500 ? 'BAD_REQUEST' : 'INTERNAL_SERVER_ERROR';
  if (status === 500) logger.error({ traceId, err: error }, 'unexpected error in a request');
  const message = {
    LIMIT_EXCEEDED: `A request may have at most ${maxRequestBytes} bytes.`,
    BAD_REQUEST: 'The request is not a JSON body as GraphQL over HTTP describes it.',
    INTERNAL_SERVER_ERROR: unexpectedMessage,
  }[code];
  const { extensions } = apiError(code, message, { traceId, ...(status === 413 ? { limit: maxRequestBytes } : {}) });
  return reply.code(status).send({ errors: [{ message, extensions }] });
}

/** New requests are refused at once, those under way may finish within the limit, WebSockets are told to go elsewhere. */
async function drain(
  app: FastifyInstance,
  sockets: { stop(limitMs: number): Promise<void> },
  underWay: OperationsUnderWay,
  limitMs: number,
): Promise<void> {
  // A connection whose last response has just gone out is idle but open; without this it would hold the stop up until it times out.
  const sweep = setInterval(() => app.server.closeIdleConnections(), 25);
  const cut = setTimeout(() => {
    underWay.abortAll();
    app.server.closeAllConnections();
  }, limitMs);
  try {
    await Promise.all([app.close(), sockets.stop(limitMs)]);
  } finally {
    clearInterval(sweep);
    clearTimeout(cut);
    underWay.abortAll();
  }
}
