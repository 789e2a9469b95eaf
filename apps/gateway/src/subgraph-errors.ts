import type { GatewayPlugin } from '@graphql-hive/gateway-runtime';
import { type Logger, safeMessage } from '@holdfast/service';
import { isErrorCode } from '@holdfast/service/errors';
import { type DocumentNode, type ExecutionResult, GraphQLError, Kind } from 'graphql';
import { operationContext } from './session.ts';
import { keyOf } from './resume-points.ts';
import { SubscriptionLost } from './resuming-stream.ts';
import { isResultStream, mapStream } from './streams.ts';
import { isUnanswered } from './subgraph-answers.ts';

// A subgraph that finds our query wrong is a fault of ours, and its words describe its insides.
const internalCodes = ['INTERNAL_SERVER_ERROR', 'GRAPHQL_PARSE_FAILED', 'GRAPHQL_VALIDATION_FAILED'];

/** Gives every failure of a subgraph one shape (gateway.md §4 pitfalls 3 and 16). */
export function subgraphErrors(logger: Logger, onUnavailable: (service: string) => void): GatewayPlugin {
  return {
    onSubgraphExecute(hook) {
      const { subgraphName, executionRequest, executor } = hook;
      const { traceId } = operationContext(executionRequest.context);
      const unavailable = (cause: unknown): GraphQLError => {
        onUnavailable(subgraphName);
        logger.warn({ service: subgraphName, traceId, cause: safeMessage(cause) }, 'a subgraph did not answer');
        return unavailableError(subgraphName, traceId, cause instanceof SubscriptionLost ? cause.fix : undefined);
      };
      const clean = (result: ExecutionResult): ExecutionResult => {
        const { data, errors } = result;
        if (errors === undefined || errors.length === 0) return data === undefined ? result : { data };
        const unanswered = errors.find(isUnanswered);
        // One error is enough: planners put it on every path that this request was to fill.
        if (unanswered !== undefined) return { data: null, errors: [unavailable(unanswered)] };
        return {
          data: data ?? null,
          errors: errors.map(error => downstreamError(error, subgraphName, traceId, logger)),
        };
      };
      const failed = (cause: unknown): ExecutionResult => ({ data: null, errors: [unavailable(cause)] });
      const guarded = async (request: typeof executionRequest): Promise<unknown> => {
        try {
          const result: unknown = await executor(request);
          if (!isResultStream(result)) return clean(result as ExecutionResult);
          const event = (each: ExecutionResult): ExecutionResult => withoutState(each, request.document);
          return mapStream(
            result,
            each => event(clean(each)),
            cause => event(failed(cause)),
          );
        } catch (error) {
          return failed(error);
        }
      };
      hook.setExecutor(guarded as typeof executor);
    },
  };
}

/** Says of an event that has no state that its field is null: without it the Rust planner shows the state of the event before once more. */
function withoutState(result: ExecutionResult, document: DocumentNode): ExecutionResult {
  if (result.data !== undefined && result.data !== null) return result;
  const [operation] = document.definitions;
  const [field] = operation?.kind === Kind.OPERATION_DEFINITION ? operation.selectionSet.selections : [];
  return field?.kind === Kind.FIELD ? { ...result, data: { [keyOf(field)]: null } } : result;
}

function unavailableError(service: string, traceId: string | undefined, fix: string | undefined): GraphQLError {
  const code = 'SUBGRAPH_UNAVAILABLE';
  return new GraphQLError(`The service "${service}" did not answer.`, {
    extensions: { code, service, retryable: true, traceId, ...(fix === undefined ? {} : { fix }) },
  });
}

/** Code, retryable, traceId and fix of a refusal survive; everything else a subgraph says about itself does not. */
function downstreamError(
  error: GraphQLError,
  service: string,
  traceId: string | undefined,
  logger: Logger,
): GraphQLError {
  const { code, retryable, fix, traceId: given } = error.extensions;
  const trace = typeof given === 'string' ? given : traceId;
  const path = error.path === undefined ? {} : { path: error.path };
  if (!isErrorCode(code) || internalCodes.includes(code)) {
    logger.error({ service, traceId: trace, cause: safeMessage(error) }, 'a subgraph failed');
    const extensions = { code: 'INTERNAL_SERVER_ERROR', service, retryable: false, traceId: trace };
    return new GraphQLError('Unexpected error.', { ...path, extensions });
  }
  const extensions = {
    code,
    retryable: retryable === true,
    traceId: trace,
    ...(typeof fix === 'string' ? { fix } : {}),
  };
  return new GraphQLError(error.message, { ...path, extensions });
}
