import httpTransport from '@graphql-mesh/transport-http';
import { currentTrace, runTraced, type Tracing } from '@holdfast/service/tracing';
import type { DocumentNode, ExecutionResult } from 'graphql';
import type { Replicas } from './replicas.ts';
import { resumingStream } from './resuming-stream.ts';
import type { Operation, ResumePoints } from './resume-points.ts';
import type { ResultStream } from './streams.ts';
import { operationContext } from './session.ts';
import { askReplicas } from './subgraph-requests.ts';
import { subscribeAt } from './subgraph-socket.ts';

/** What the runtime gives its transports, as far as it is used here. */
export type SubgraphRequest = {
  readonly document: DocumentNode;
  readonly variables?: unknown;
  readonly operationType?: string | undefined;
  readonly operationName?: string | undefined;
  readonly extensions?: unknown;
  readonly context?: unknown;
};

export type TransportParts = {
  readonly replicas: Replicas;
  readonly points: ResumePoints;
  /** The request's extensions with a signature of this moment. */
  readonly sign: (request: SubgraphRequest, service: string) => object;
  readonly tracing: Tracing;
  readonly upstreamTimeoutMs: number;
  readonly resumeWithinMs: number;
  /** How often a service shows over a subscription's connection that it is not frozen. */
  readonly lifeSignEveryMs: number;
  readonly onInterrupted: (service: string) => void;
};

type HttpOptions = Parameters<typeof httpTransport.getSubgraphExecutor>[0];
type HttpExecutor = ((request: SubgraphRequest) => Promise<ExecutionResult> | ExecutionResult) & AsyncDisposable;

/** A replica that was only waiting needs about a second to lead, and then serves. */
const takeOverWithinMs = 3_000;

/** The one way to a service, whichever of its replicas leads. Each try is signed anew: a signature is good for 30 s. */
export function replicaTransport(parts: TransportParts) {
  const { replicas, points, sign, tracing, upstreamTimeoutMs } = parts;
  return {
    getSubgraphExecutor(options: HttpOptions) {
      const service = options.subgraphName;
      const limits = new WeakMap<object, number>();
      const executors = new Map(
        replicas.of(service).map(url => [url, httpExecutor(options, url, request => limits.get(request))]),
      );
      const ask = (request: SubgraphRequest): Promise<ExecutionResult> =>
        askReplicas({
          service,
          replicas,
          send: (url, limitMs) =>
            runTraced(tracing, `ask ${service}`, causeOf(request), async () => {
              const headers = { traceparent: currentTrace() };
              const signed = { ...request, extensions: { ...sign(request, service), headers } };
              limits.set(signed, limitMs);
              return executorOf(executors, url)(signed);
            }),
          isRepeatable: request.operationType === 'query',
          timeoutMs: upstreamTimeoutMs,
          takeOverWithinMs,
        });
      const subscribe = (request: SubgraphRequest): ResultStream =>
        resumingStream(
          { document: request.document, variables: (request.variables ?? {}) as Operation['variables'] },
          {
            service,
            replicas,
            points,
            subscribe: (url, operation) => {
              const asked = { ...request, ...operation };
              const { parent: traceparent } = causeOf(request);
              const extensions = sign(asked, service);
              return subscribeAt(url, { ...asked, extensions, traceparent }, parts.lifeSignEveryMs);
            },
            resumeWithinMs: parts.resumeWithinMs,
            takeOverWithinMs,
            onInterrupted: () => parts.onInterrupted(service),
          },
        );
      const execute = (request: SubgraphRequest) =>
        request.operationType === 'subscription' ? subscribe(request) : ask(request);
      const dispose = async (): Promise<void> => {
        await Promise.all([...executors.values()].map(executor => executor[Symbol.asyncDispose]()));
      };
      return Object.assign(execute, { [Symbol.asyncDispose]: dispose });
    },
  };
}

function causeOf({ context }: SubgraphRequest): { readonly parent: string | undefined } {
  return { parent: operationContext(context).traceparent };
}

function httpExecutor(
  options: HttpOptions,
  location: string,
  timeoutOf: (request: object) => number | undefined,
): HttpExecutor {
  // Two callers' requests are never one: their signatures differ, and one's leaving must not cut the other's.
  const wishes = { deduplicateInflightRequests: false, timeout: timeoutOf };
  const transportEntry = { ...options.transportEntry, location, options: wishes } as HttpOptions['transportEntry'];
  return httpTransport.getSubgraphExecutor({ ...options, transportEntry }) as unknown as HttpExecutor;
}

function executorOf(executors: ReadonlyMap<string, HttpExecutor>, url: string): HttpExecutor {
  const executor = executors.get(url);
  if (executor === undefined) throw new Error('a replica that was not configured is to be asked');
  return executor;
}
