/**
 * Traces of the flow (W3C Trace Context): the trace id travels everywhere, always; spans are recorded only where an exporter is configured.
 * The services of one process share the context, each has its own tracer; so nothing global of OpenTelemetry is used.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  type Attributes,
  type Context,
  createContextKey,
  INVALID_SPAN_CONTEXT,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanStatusCode,
  trace,
  type Tracer,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import type { createOutbox } from '@holdfast/messaging';
import type { SpanExporter } from '@opentelemetry/sdk-trace';
import type { Logger } from './logger.ts';

export type { SpanExporter } from '@opentelemetry/sdk-trace';
export { tracingSettings } from './tracing-settings.ts';

/** Where the spans of one service go; made by `openTracing`. */
export type Tracing = {
  /** Undefined: nothing is recorded, ids alone travel. */
  readonly tracer: Tracer | undefined;
  /** Sends what is left, within a bound. */
  stop(): Promise<void>;
};

/** `parent`: a W3C traceparent; left out, or none: a new trace begins. */
export type Cause = { readonly parent?: string | undefined; readonly attributes?: Attributes };

export const untraced: Tracing = { tracer: undefined, stop: () => Promise.resolve() };

/** `exporter`: for tests, takes each span as it ends. `otlpUrl`: of a collector. With neither, ids alone travel. */
export async function openTracing(
  service: string,
  { exporter, otlpUrl }: { readonly exporter?: SpanExporter | undefined; readonly otlpUrl?: string | undefined },
  logger: Logger,
): Promise<Tracing> {
  if (exporter === undefined && otlpUrl === undefined) return untraced;
  // Loaded only where it is wanted: it takes a while and memory.
  const { exportByOtlp, exportTo } = await import('./tracing-export.ts');
  return exporter === undefined ? exportByOtlp(service, otlpUrl as string, logger) : exportTo(service, exporter);
}

const contexts = new AsyncLocalStorageContextManager().enable();
const tracerKey = createContextKey('holdfast tracer');
const noSpan = trace.wrapSpanContext(INVALID_SPAN_CONTEXT);

/** The W3C traceparent of what is under way here; undefined outside of any trace. */
export function currentTrace(): string | undefined {
  const context = trace.getSpanContext(contexts.active());
  return context && renderTraceparent(context);
}

/** What to store with work that is done later, so that it goes on in the trace of its cause: the current one, else a new one. */
export function currentOrNewTrace(): string {
  return currentTrace() ?? renderTraceparent(newSpanContext());
}

/** The current one where it belongs to the same trace as `stored`: events of one undertaking stay in its trace, whoever causes them. */
export function traceWithin(stored: string | null | undefined): string | undefined {
  const current = currentTrace();
  if (stored == null) return current;
  return current !== undefined && traceIdOf(current) === traceIdOf(stored) ? current : stored;
}

/**
 * Begins something that this service does for a cause: a step of a runner, an operation, an event's effect. `work` runs within the trace,
 * and what calls `inSpan` in it is recorded below it.
 */
export function runTraced<T>(
  { tracer }: Tracing,
  name: string,
  { parent, attributes = {} }: Cause,
  work: (span: Span) => Promise<T>,
): Promise<T> {
  const cause = parseTraceparent(parent);
  if (tracer === undefined) {
    const context = trace.setSpanContext(ROOT_CONTEXT, cause ?? newSpanContext());
    return contexts.with(context, () => work(noSpan));
  }
  const above = cause === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, cause);
  return record(tracer, name, attributes, above.setValue(tracerKey, tracer), work);
}

/** A part of what is under way, in a span of its own where spans are recorded. */
export function inSpan<T>(name: string, attributes: Attributes, work: (span: Span) => Promise<T>): Promise<T> {
  const context = contexts.active();
  const tracer = context.getValue(tracerKey) as Tracer | undefined;
  return tracer === undefined ? work(noSpan) : record(tracer, name, attributes, context, work);
}

async function record<T>(
  tracer: Tracer,
  name: string,
  attributes: Attributes,
  context: Context,
  work: (span: Span) => Promise<T>,
): Promise<T> {
  const span = tracer.startSpan(name, { attributes }, context);
  try {
    return await contexts.with(trace.setSpan(context, span), () => work(span));
  } catch (error) {
    // Messages name servers, paths and logins; a span leaves the house.
    span.setStatus({ code: SpanStatusCode.ERROR });
    span.setAttribute('error.type', errorTypeOf(error));
    throw error;
  } finally {
    span.end();
  }
}

/** The span of the operation that is under way, for who learns its name later. */
export function currentSpan(): Span {
  return trace.getSpan(contexts.active()) ?? noSpan;
}

/** For a subject's key in an attribute: ids are opaque as they are, anything else might be a name. */
export function opaque(key: string): string {
  return /^[0-9a-f-]{36}(?:\/[0-9a-f-]{36})*$/.test(key)
    ? key
    : createHash('sha256').update(key).digest('hex').slice(0, 16);
}

type EventTracing = NonNullable<Parameters<typeof createOutbox>[0]['tracing']>;

/** Events carry the trace; adding one and applying one are spans of this service. */
export function eventTracing(tracing: Tracing): EventTracing {
  return {
    append: (type, given, work) => {
      const parent = given ?? currentTrace();
      const append = () => work(currentOrNewTrace());
      const attributes = { 'messaging.operation.name': 'append', 'messaging.message.type': type };
      // Within the trace that is under way this is its next part, else it belongs to another one, or begins one.
      return parent !== undefined && parent === currentTrace()
        ? inSpan(`append ${type}`, attributes, append)
        : runTraced(tracing, `append ${type}`, { parent, attributes }, append);
    },
    apply: ({ type, id, traceparent }, work) => {
      const attributes = {
        'messaging.operation.name': 'apply',
        'messaging.message.type': type,
        'messaging.message.id': id,
      };
      return runTraced(tracing, `apply ${type}`, { parent: traceparent, attributes }, work);
    },
  };
}

/** What an estate's server is asked through, as far as it matters here. */
type Sends = (statement: { readonly name: string }, ...rest: never[]) => Promise<unknown>;
type Connects = (...names: never[]) => Promise<{ send: unknown }>;

/** The same server, each statement to it a span by its name in the catalogue: texts and parameters are the estate's own. */
export function traceStatements<Server extends { query: unknown; dedicated: unknown }>(server: Server): Server {
  const query = server.query as Sends;
  const dedicated = server.dedicated as Connects;
  return {
    ...server,
    query: spanned(query),
    dedicated: async (...names: never[]) => {
      const connection = await dedicated(...names);
      return { ...connection, send: spanned(connection.send as Sends) };
    },
  };
}

function spanned(send: Sends): Sends {
  return (statement, ...rest) =>
    inSpan(statement.name, { 'db.system.name': 'microsoft.sql_server', 'db.query.summary': statement.name }, () =>
      send(statement, ...rest),
    );
}

/** What came as a `traceparent` header, or that of a new trace where nothing usable came. */
export function receivedTrace(header: string | readonly string[] | undefined): string {
  return renderTraceparent(parseTraceparent(header) ?? newSpanContext());
}

/** The trace id of a traceparent, else a new one. */
export function traceIdOf(traceparent: string | undefined): string {
  return parseTraceparent(traceparent)?.traceId ?? newSpanContext().traceId;
}

const form = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;

function parseTraceparent(text: string | readonly string[] | undefined): SpanContext | undefined {
  const [, traceId, spanId, flags] = (typeof text === 'string' ? form.exec(text) : null) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true };
}

function renderTraceparent({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}

/** Marked as sampled: whether anything is recorded is up to each service that exports. */
function newSpanContext(): SpanContext {
  return { traceId: randomBytes(16).toString('hex'), spanId: randomBytes(8).toString('hex'), traceFlags: 1 };
}

function errorTypeOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}
