import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { ApolloServer, type ApolloServerPlugin } from '@apollo/server';
import {
  ApolloServerPluginInlineTraceDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginSchemaReportingDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from '@apollo/server/plugin/disabled';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { fastifyApolloHandler } from '@as-integrations/fastify';
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { GraphQLError, type DocumentNode, type GraphQLSchema } from 'graphql';
import { operationTitle } from './operation-title.ts';
import type { Registry } from 'prom-client';
import type { Clock } from './clock.ts';
import { codeOf, masked, publicExtensions, renderError, unexpectedMessage } from './error-rendering.ts';
import { apiError } from './errors.ts';
import { registerHealth, type HealthCheck } from './health.ts';
import type { Caller } from './identity.ts';
import type { Logger } from './logger.ts';
import { operationsUnderWay, type OperationsUnderWay } from './operations-under-way.ts';
import { isError, safeMessage } from './safe-message.ts';
import { admitOperation, type SignatureGate } from './signed-operation.ts';
import { serveSockets } from './socket-operations.ts';
import { currentSpan, receivedTrace, runTraced, traceIdOf, type Tracing, untraced } from './tracing.ts';

const path = '/graphql';
const defaultHost = '127.0.0.1';
const maxRequestBytes = 1_048_576;
const defaultDrainLimitMs = 10_000;
/** Set on every request as it arrives, whatever the client sent: the one thing of a request that reaches Apollo Server's hooks. */
const traceIdHeader = 'holdfast-trace-id';

type SubgraphModule = Extract<Parameters<typeof buildSubgraphSchema>[0], readonly unknown[]>[number];
export type SubgraphResolvers = NonNullable<Exclude<SubgraphModule, DocumentNode>['resolvers']>;

/** What one operation knows of its request. `signal` ends when the client has gone, the operation is over or the server stops. */
export type OperationContext = { readonly caller: Caller; readonly traceId: string; readonly signal: AbortSignal };

/** What is there before a service can answer: an open port with its health. */
export type PortOptions = {
  /** As in the supergraph; part of every signature. */
  readonly name: string;
  readonly version?: string;
  /** 127.0.0.1 when left out. */
  readonly host?: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: Registry;
  /** Looked through at every request: more may be added later. */
  readonly checks: readonly HealthCheck[];
  /** How long operations under way may take to finish at a stop; 10,000 when left out. */
  readonly drainLimitMs?: number;
  /** Where the spans of operations go; left out: nowhere. */
  readonly tracing?: Tracing;
};

/** What it answers with. */
export type SchemaOptions<Context extends object> = {
  readonly typeDefs: DocumentNode;
  readonly resolvers: SubgraphResolvers;
  readonly signingKey: Uint8Array;
  /** The resolvers' context: a plain object of its own for each operation, because Apollo Server hands a copy on. */
  createContext(operation: OperationContext): Context | Promise<Context>;
};

export type SubgraphOptions<Context extends object> = PortOptions & SchemaOptions<Context>;

/** `url` is the GraphQL endpoint for HTTP and, with ws:, for graphql-ws. */
export type RunningSubgraph = { readonly url: string; readonly port: number; stop(): Promise<void> };

export type SubgraphPort = RunningSubgraph & {
  /** From now on operations are answered; once. @throws Error when the schema is wrong. */
  serve<Context extends object>(options: SchemaOptions<Context>): Promise<void>;
  /** From now on no operation is begun: HTTP 503, `SUBGRAPH_UNAVAILABLE` with this message. Those under way go on. */
  refuse(message: string): void;
};

/**
 * Serves one subgraph. No operation runs, `_service` and introspection included, unless the gateway signed it for this subgraph within
 * the last 30 s. @throws Error when the port is taken or the schema is wrong.
 */
export async function startSubgraph<Context extends object>(
  options: SubgraphOptions<Context>,
): Promise<RunningSubgraph> {
  const port = await openSubgraphPort(options);
  try {
    await port.serve(options);
  } catch (error) {
    await port.stop();
    throw error;
  }
  return port;
}

type HttpOperation = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

/** Opens the port with health alone: until `serve`, whoever asks for GraphQL is told that nobody answers here yet. */
export async function openSubgraphPort(options: PortOptions): Promise<SubgraphPort> {
  const port = new OpenPort(options);
  await port.open();
  return port;
}

class OpenPort implements SubgraphPort {
  readonly #options: PortOptions;
  readonly #underWay = operationsUnderWay();
  readonly #app: FastifyInstance;
  port = 0;
  #refusal: string | undefined;
  #answer: HttpOperation | undefined;
  #stopServing = (): Promise<void> => Promise.resolve();
  #stopSockets = (_limitMs: number): Promise<void> => Promise.resolve();
  #stopping: Promise<void> | undefined;

  constructor(options: PortOptions) {
    const { name, logger } = options;
    this.#options = options;
    this.#refusal = `${name} does not answer yet.`;
    const app = fastify({ bodyLimit: maxRequestBytes, logger: false });
    app.addHook('onRequest', async ({ headers }) => {
      const traceparent = receivedTrace(headers['traceparent']);
      headers['traceparent'] = traceparent;
      headers[traceIdHeader] = traceIdOf(traceparent);
    });
    app.setErrorHandler((error, request, reply) =>
      refuseRequest(error, String(request.headers[traceIdHeader]), reply, logger),
    );
    registerHealth(app, options);
    // A GET cannot carry the signature.
    app.post(path, async (request, reply) => {
      if (this.#answer !== undefined && this.#refusal === undefined) return this.#answer(request, reply);
      const { message, extensions } = this.#unavailable(String(request.headers[traceIdHeader]));
      return reply.code(503).send({ errors: [{ message, extensions }] });
    });
    app.server.on('upgrade', refuseSocket);
    this.#app = app;
  }

  get url(): string {
    const { host = defaultHost } = this.#options;
    return `http://${host.includes(':') ? `[${host}]` : host}:${this.port}${path}`;
  }

  async open(): Promise<void> {
    const { name, host = defaultHost, port } = this.#options;
    try {
      await listen(this.#app, name, host, port);
      this.port = (this.#app.server.address() as AddressInfo).port;
    } catch (error) {
      await this.#app.close();
      throw error;
    }
  }

  async serve<Context extends object>(options: SchemaOptions<Context>): Promise<void> {
    const { name, clock, logger, tracing = untraced } = this.#options;
    const { server } = this.#app;
    const schema = buildSubgraphSchema([{ typeDefs: options.typeDefs, resolvers: options.resolvers }]);
    const gate: SignatureGate = { key: options.signingKey, subgraph: name, clock };
    const underWay = this.#underWay;
    const createContext = async (operation: OperationContext): Promise<Context> => {
      if (this.#refusal !== undefined) throw this.#unavailable(operation.traceId);
      return options.createContext(operation);
    };
    const apollo = apolloServer<Context>(schema, logger);
    await apollo.start();
    this.#stopServing = () => apollo.stop();
    const context = httpContext({ gate, logger, underWay, createContext });
    const operations = fastifyApolloHandler(apollo, { context });
    this.#answer = (request, reply) => {
      const parent = receivedTrace(request.headers['traceparent']);
      return runTraced(tracing, 'operation', { parent }, async () => operations.call(this.#app, request, reply));
    };
    server.off('upgrade', refuseSocket);
    const maxMessageBytes = maxRequestBytes;
    const parts = { gate, logger, maxMessageBytes, underWay, createContext, tracing };
    const sockets = serveSockets({ server, path, schema, ...parts });
    this.#stopSockets = limitMs => sockets.stop(limitMs);
    this.#refusal = undefined;
  }

  refuse(message: string): void {
    this.#refusal = message;
  }

  stop(): Promise<void> {
    const { drainLimitMs = defaultDrainLimitMs } = this.#options;
    this.#stopping ??= drain(this.#app, { stop: this.#stopSockets }, this.#underWay, drainLimitMs).then(() =>
      this.#stopServing(),
    );
    return this.#stopping;
  }

  #unavailable(traceId: string): GraphQLError {
    const { name } = this.#options;
    return apiError('SUBGRAPH_UNAVAILABLE', this.#refusal ?? `${name} does not answer.`, { service: name, traceId });
  }
}

function refuseSocket(_request: unknown, socket: Duplex): void {
  socket.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
}

function apolloServer<Context extends object>(schema: GraphQLSchema, logger: Logger): ApolloServer<Context> {
  return new ApolloServer<Context>({
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
      nameSpans,
    ],
  });
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

/** What an operation asks for is known only after its document was read. */
const nameSpans: ApolloServerPlugin = {
  requestDidStart: async () => ({
    didResolveOperation: async ({ operation }) => {
      if (operation !== undefined) currentSpan().updateName(operationTitle(operation));
    },
  }),
};

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
