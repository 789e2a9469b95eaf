import { defaultProtectAllValidateFn } from '@envelop/generic-auth';
import {
  createGatewayRuntime,
  type GatewayConfigSupergraph,
  type GatewayPlugin,
  type GatewayRuntime,
} from '@graphql-hive/gateway-runtime';
import type { Logger } from '@holdfast/service';
import { operationTitle } from '@holdfast/service/operation-title';
import { currentSpan, type Tracing } from '@holdfast/service/tracing';
import { useRequestDeadline } from '@whatwg-node/server';
import { type ExecutionArgs, getOperationAST, GraphQLError } from 'graphql';
import { callerSignature, clientExtensions } from './caller-signature.ts';
import type { AlarmClock } from './alarm-clock.ts';
import type { GatewayConfig } from './config.ts';
import { errorShape } from './error-shape.ts';
import { knownDocuments } from './known-documents.ts';
import { batchLimit, operationLimits } from './limits.ts';
import type { Planner } from './planner.ts';
import type { Replicas } from './replicas.ts';
import { resumePointsOf } from './resume-points.ts';
import { serverSentEvents } from './server-sent-events.ts';
import { operationContext } from './session.ts';
import { subgraphErrors } from './subgraph-errors.ts';
import { replicaTransport } from './subgraph-transport.ts';
import type { SubscriptionEnd } from './subscription-end.ts';

export type RuntimeParts = {
  /** With the subgraphs' addresses in it. */
  readonly supergraphSdl: string;
  readonly replicas: Replicas;
  readonly planner: Planner;
  readonly signingKey: Uint8Array;
  readonly clock: AlarmClock;
  readonly logger: Logger;
  readonly tracing: Tracing;
  readonly subscriptions: SubscriptionEnd;
  readonly lifeSignEveryMs: number;
  readonly onUnavailable: (service: string) => void;
  /** A live subscription lost the replica behind it. */
  readonly onInterrupted: (service: string) => void;
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
  const { clock, logger, planner, replicas, signingKey, subscriptions } = parts;
  const { upstreamTimeoutMs, resumeWithinMs } = config.limits;
  const points = resumePointsOf(parts.supergraphSdl);
  return {
    supergraph: parts.supergraphSdl,
    ...(planner.handler === undefined ? {} : { unifiedGraphHandler: planner.handler }),
    // Given here because a transport that is not found is reported by no one until requests fail.
    transports: {
      http: replicaTransport({
        replicas,
        points,
        sign: callerSignature(signingKey, clock),
        tracing: parts.tracing,
        upstreamTimeoutMs,
        resumeWithinMs,
        lifeSignEveryMs: parts.lifeSignEveryMs,
        onInterrupted: parts.onInterrupted,
      }),
    } as unknown as NonNullable<GatewayConfigSupergraph['transports']>,
    genericAuth: protectAll(clock),
    // The JavaScript planner would keep what other subgraphs add to a type for as long as a subscription runs: only its first event would
    // bring it new.
    __experimental__batchDelegateOptions: { cache: false } as object,
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
      clientExtensions,
      knownDocuments(),
      nameSpans,
      subgraphErrors(logger, parts.onUnavailable),
      subscriptions.plugin,
      errorShape(logger),
      serverSentEvents(points),
    ],
  };
}

/** What an operation asks for is known only after its document was read. */
const nameSpans: GatewayPlugin = {
  onExecute({ args }) {
    const { document, operationName } = args as ExecutionArgs;
    const operation = getOperationAST(document, operationName);
    if (operation) currentSpan().updateName(operationTitle(operation));
  },
};

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
