import { defaultProtectAllValidateFn } from '@envelop/generic-auth';
import {
  createGatewayRuntime,
  type GatewayConfigSupergraph,
  type GatewayPlugin,
  type GatewayRuntime,
} from '@graphql-hive/gateway-runtime';
import httpTransport from '@graphql-mesh/transport-http';
import type { Logger } from '@holdfast/service';
import { useRequestDeadline } from '@whatwg-node/server';
import { type ExecutionResult, GraphQLError } from 'graphql';
import { callerSignature } from './caller-signature.ts';
import type { AlarmClock } from './alarm-clock.ts';
import type { GatewayConfig } from './config.ts';
import { errorShape } from './error-shape.ts';
import { batchLimit, operationLimits } from './limits.ts';
import type { Planner } from './planner.ts';
import { operationContext } from './session.ts';
import { isWorthRetrying, subgraphErrors } from './subgraph-errors.ts';
import { socketTransport } from './subgraph-socket.ts';
import type { SubscriptionEnd } from './subscription-end.ts';

export type RuntimeParts = {
  /** With the subgraphs' addresses in it. */
  readonly supergraphSdl: string;
  readonly planner: Planner;
  readonly signingKey: Uint8Array;
  readonly clock: AlarmClock;
  readonly logger: Logger;
  readonly subscriptions: SubscriptionEnd;
  readonly onUnavailable: (service: string) => void;
};

export type Runtime = GatewayRuntime<Record<string, unknown>>;

/** The Hive runtime, its schema loaded. Throws when the supergraph does not load. */
export async function startRuntime(config: GatewayConfig, parts: RuntimeParts): Promise<Runtime> {
  const before = terminationListeners();
  const runtime = createGatewayRuntime(runtimeConfig(config, parts)) as Runtime;
  // A WebSocket operation that comes before the first HTTP request would find no schema (gateway.md §4 pitfall 15).
  await runtime.getSchema();
  const loaded = await runtime.fetch('http://127.0.0.1/readiness');
  if (!loaded.ok) throw new Error('the supergraph did not load');
  // The runtime disposes of itself on SIGTERM, under the feet of requests in flight, and has no option against it
  // (pitfall 4). Only its own listeners go: the process may have others.
  for (const { signal, listener } of terminationListeners()) {
    if (!before.some(entry => entry.listener === listener)) process.removeListener(signal, listener);
  }
  return runtime;
}

function runtimeConfig(config: GatewayConfig, parts: RuntimeParts): GatewayConfigSupergraph {
  const { clock, logger, planner, signingKey, subscriptions } = parts;
  const { upstreamTimeoutMs } = config.limits;
  return {
    supergraph: parts.supergraphSdl,
    ...(planner.handler === undefined ? {} : { unifiedGraphHandler: planner.handler }),
    // Given here because a transport that is not found is reported by no one until requests fail.
    transports: { http: httpTransport, ws: socketTransport } as unknown as NonNullable<
      GatewayConfigSupergraph['transports']
    >,
    transportEntries: {
      // Two callers' requests are never one: their signatures differ, and one's leaving must not cut the other's.
      // The timeout is the transport's, not the runtime's `upstreamTimeout`: that one is started anew by every retry, and
      // its error is retried whatever `shouldRetry` says.
      '*.http': {
        options: { subscriptions: { kind: 'ws' }, deduplicateInflightRequests: false, timeout: upstreamTimeoutMs },
      },
    },
    genericAuth: protectAll(clock),
    // A mutation whose answer was lost may have been done (pitfall 2).
    upstreamRetry: ({ executionRequest }) => ({
      maxRetries: (executionRequest.operationType as string | undefined) === 'query' ? 2 : 0,
      retryDelay: 100,
      shouldRetry: ({ executionResult }) => {
        const { errors } = executionResult as ExecutionResult;
        return errors?.some(isWorthRetrying) ?? false;
      },
    }),
    ...(config.introspection ? {} : { disableIntrospection: {} }),
    csrfPrevention: {},
    batching: { limit: batchLimit },
    cors: false,
    graphiql: config.landingPage,
    landingPage: false,
    maskedErrors: false,
    subgraphErrors: false,
    requestId: {},
    logging: false,
    plugins: () => [
      ...operationLimits(config.limits),
      requestDeadline(2 * upstreamTimeoutMs),
      callerSignature(signingKey, clock),
      subgraphErrors(logger, parts.onUnavailable),
      subscriptions.plugin,
      errorShape(logger),
    ],
  };
}

/** No field without a caller; `@skipAuth` opens nothing, `@requiresScopes` (scopes are roles) narrows (pitfalls 1, 17). */
function protectAll(clock: AlarmClock): NonNullable<GatewayConfigSupergraph['genericAuth']> {
  return {
    mode: 'protect-all',
    // Asked per operation: a WebSocket outlives its token.
    resolveUserFn(context) {
      const { session } = operationContext(context);
      return session !== undefined && clock.now() < session.expiresAtMs ? session.caller : null;
    },
    extractScopes: user => [...((user as { roles?: readonly string[] } | null)?.roles ?? [])],
    validateUser(params) {
      const user = params.user as unknown;
      if (user === null || user === undefined) return refusal('UNAUTHENTICATED', 'A valid token is needed.', 401);
      if (defaultProtectAllValidateFn(params as never) === undefined) return undefined;
      return refusal('FORBIDDEN', `The caller's roles do not allow "${params.fieldNode.name.value}".`, 403);
    },
  };
}

function refusal(code: string, message: string, status: number): GraphQLError {
  return new GraphQLError(message, { extensions: { code, retryable: false, http: { status } } });
}

/** The runtime's own option answers in plain text. A stream is not concerned: its answer began long before. */
function requestDeadline(timeoutMs: number): GatewayPlugin {
  return useRequestDeadline({
    timeout: timeoutMs,
    response(_request, context) {
      const { traceId } = operationContext(context);
      const message = `The operation took longer than ${timeoutMs} ms.`;
      const body = { errors: [{ message, extensions: { code: 'TIMEOUT', retryable: true, traceId } }] };
      return Response.json(body, { status: 504 });
    },
  }) as unknown as GatewayPlugin;
}

type Termination = { readonly signal: 'SIGTERM' | 'SIGINT' | 'exit'; readonly listener: () => void };

function terminationListeners(): Termination[] {
  const signals = ['SIGTERM', 'SIGINT', 'exit'] as const;
  return signals.flatMap(signal =>
    process.listeners(signal as NodeJS.Signals).map(listener => ({ signal, listener: listener as () => void })),
  );
}
