import type { GatewayPlugin } from '@graphql-hive/gateway-runtime';
import { type Logger, safeMessage } from '@holdfast/service';
import { type ExecutionResult, GraphQLError, Kind } from 'graphql';
import { operationContext } from './session.ts';
import { isResultStream, mapStream } from './streams.ts';

/**
 * The last word on every error that leaves the gateway: `code`, `retryable` and `traceId` always, `service`, `fix`, `field`
 * and `limit` where known, nothing else; what is not meant for clients becomes "Unexpected error." and is logged. The runtime's own
 * masking is off in its favour: that one keeps the extensions of downstream errors.
 */
export function errorShape(logger: Logger): GatewayPlugin {
  const shaped = new WeakSet<object>();
  const shape = (result: ExecutionResult, traceId: string | undefined): ExecutionResult => {
    if (result.errors === undefined || shaped.has(result)) return result;
    const errors = result.errors.map(error => shapedError(error, traceId, logger));
    // An error with a path happened at execution, and what was executed has data: planners leave it out when every root field failed.
    const executed = 'data' in result || errors.some(({ path }) => path !== undefined);
    const answer = { ...(executed ? { data: result.data ?? null } : {}), errors };
    shaped.add(answer);
    return answer;
  };
  const shapeAny = (result: unknown, traceId: string | undefined): unknown => {
    if (Array.isArray(result)) return result.map(entry => shapeAny(entry, traceId));
    if (!isResultStream(result)) return shape(result as ExecutionResult, traceId);
    const failed = (thrown: unknown): ExecutionResult => shape({ errors: [asGraphQLError(thrown)] }, traceId);
    return mapStream(result, each => shapeEvent(each, traceId), failed);
  };
  const shapeEvent = (result: ExecutionResult, traceId: string | undefined): ExecutionResult => {
    // A subscription's one field is never null, which the Rust planner does not see to.
    const { data, errors } = result;
    const isEmpty = errors !== undefined && data && Object.values(data).every(value => value === null);
    const shown = shape(isEmpty === true ? { ...result, data: null } : result, traceId);
    // The Rust planner gathers the errors of all events of a subscription in one array: each event would bring those before it again.
    if (shown.errors !== errors) (errors as GraphQLError[] | undefined)?.splice(0);
    return shown;
  };
  return {
    // WebSocket operations pass only the first of these two, requests that fail before they are operations only the second.
    onExecutionResult(hook) {
      hook.setResult(shapeAny(hook.result, operationContext(hook.context).traceId) as NonNullable<typeof hook.result>);
    },
    onResultProcess(hook) {
      if (isResultStream(hook.result)) return;
      hook.setResult(shapeAny(hook.result, operationContext(hook.serverContext).traceId) as typeof hook.result);
    },
  };
}

function shapedError(error: GraphQLError, traceId: string | undefined, logger: Logger): GraphQLError {
  const source = meantError(error);
  const { code: given, retryable, service, fix, field, limit, http, traceId: known } = source?.extensions ?? {};
  const code = source === undefined ? undefined : (given ?? codeOfKind(source));
  const trace = typeof known === 'string' ? known : traceId;
  const place = { ...(error.nodes ? { nodes: error.nodes } : {}), ...(error.path ? { path: error.path } : {}) };
  const kept = {
    ...(typeof service === 'string' ? { service } : {}),
    ...(typeof fix === 'string' ? { fix } : {}),
    ...(typeof field === 'string' ? { field } : {}),
    ...(typeof limit === 'number' ? { limit } : {}),
  };
  if (
    source === undefined ||
    typeof code !== 'string' ||
    (code === 'INTERNAL_SERVER_ERROR' && kept.service === undefined)
  ) {
    logger.error({ traceId: trace, cause: safeMessage(error) }, 'an operation failed');
    const extensions = { code: 'INTERNAL_SERVER_ERROR', retryable: false, traceId: trace };
    return new GraphQLError('Unexpected error.', { ...place, extensions });
  }
  // Without the runtime's mark `spec`, which turns a refused request into a 200 for clients that accept plain JSON.
  const status = isStatus(http) ? { http: { status: http.status } } : {};
  const extensions = { code, retryable: retryable === true, traceId: trace, ...kept, ...status };
  return new GraphQLError(withoutSuggestion(source.message), { ...place, extensions });
}

/** The error that somebody wrote for a client; undefined for a crash. Planners wrap, and gather several into one. */
function meantError(error: unknown): GraphQLError | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('errors' in error && Array.isArray(error.errors)) return meantError(error.errors[0]);
  if (!(error instanceof GraphQLError)) return undefined;
  return error.originalError ? meantError(error.originalError) : error;
}

function asGraphQLError(thrown: unknown): GraphQLError {
  if (thrown instanceof GraphQLError) return thrown;
  return new GraphQLError('Unexpected error.', {
    originalError: thrown instanceof Error ? thrown : new Error(String(thrown)),
  });
}

function isStatus(http: unknown): http is { status: number } {
  return typeof http === 'object' && http !== null && 'status' in http && typeof http.status === 'number';
}

/** Codes for the errors that graphql-js and the HTTP layer make without one. */
function codeOfKind(error: GraphQLError): string | undefined {
  const { http } = error.extensions;
  const status = isStatus(http) ? http.status : undefined;
  if (error.message.startsWith('Syntax Error')) return 'GRAPHQL_PARSE_FAILED';
  if (error.path === undefined && error.nodes?.some(node => node.kind === Kind.VARIABLE_DEFINITION))
    return 'BAD_USER_INPUT';
  if (status === 401) return 'UNAUTHENTICATED';
  if (status === 403) return 'FORBIDDEN';
  if (status !== undefined && status >= 400 && status < 500) return 'BAD_REQUEST';
  return undefined;
}

/** A suggestion would hand out the schema that introspection withholds. */
function withoutSuggestion(message: string): string {
  return message.replace(/ ?Did you mean .*$/s, '');
}
