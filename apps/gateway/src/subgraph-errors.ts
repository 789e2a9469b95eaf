import type { GatewayPlugin } from '@graphql-hive/gateway-runtime';
import { type Logger, safeMessage } from '@holdfast/service';
import { isErrorCode } from '@holdfast/service/errors';
import { type ExecutionResult, GraphQLError } from 'graphql';
import { operationContext } from './session.ts';
import { isResultStream, mapStream } from './streams.ts';

// How the runtime's executors mark what they made up themselves; their `extensions.request` holds address and body.
const transportCodes = ['SUBREQUEST_HTTP_ERROR', 'RESPONSE_VALIDATION_FAILED', 'GATEWAY_TIMEOUT', 'TIMEOUT_ERROR'];
// A subgraph that finds our query wrong is a fault of ours, and its words describe its insides.
const internalCodes = ['INTERNAL_SERVER_ERROR', 'GRAPHQL_PARSE_FAILED', 'GRAPHQL_VALIDATION_FAILED'];

/** Whether a subgraph gave no usable answer at all: refused, cut, timed out, or an HTTP status of 500 and above. */
export function isUnanswered(error: unknown): boolean {
  if (!(error instanceof Error) || !('extensions' in error)) return true;
  // Not every error here is graphql-js's own: its optional parts may be missing altogether.
  const { extensions, originalError } = error as Partial<GraphQLError>;
  if (transportCodes.includes(String(extensions?.['code']))) return true;
  return originalError !== undefined && !('extensions' in originalError);
}

/** A subgraph that used up the whole time once is not asked to do so again. */
export function isWorthRetrying(error: GraphQLError): boolean {
  // By the text of AbortSignal.timeout: the error's own class does not survive the executor's wrapping everywhere.
  return isUnanswered(error) && !error.message.endsWith('due to timeout');
}

/**
 * Gives every failure of a subgraph one shape (gateway.md §4 pitfalls 3 and 16). Must come after the retry plugin:
 * the last plugin to wrap the executor is the outermost, and it has to see what that one throws.
 */
export function subgraphErrors(logger: Logger, onUnavailable: (service: string) => void): GatewayPlugin {
  return {
    onSubgraphExecute(hook) {
      const { subgraphName, executionRequest, executor } = hook;
      const { traceId } = operationContext(executionRequest.context);
      const unavailable = (cause: unknown): GraphQLError => {
        onUnavailable(subgraphName);
        logger.warn({ service: subgraphName, traceId, cause: safeMessage(cause) }, 'a subgraph did not answer');
        return unavailableError(subgraphName, traceId);
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
          return isResultStream(result) ? mapStream(result, clean, failed) : clean(result as ExecutionResult);
        } catch (error) {
          return failed(error);
        }
      };
      hook.setExecutor(guarded as typeof executor);
    },
  };
}

function unavailableError(service: string, traceId: string | undefined): GraphQLError {
  return new GraphQLError(`The service "${service}" did not answer.`, {
    extensions: { code: 'SUBGRAPH_UNAVAILABLE', service, retryable: true, traceId },
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
