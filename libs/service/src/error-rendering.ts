import { GraphQLError, Kind, type GraphQLFormattedError } from 'graphql';
import { errorCodes, isErrorCode, publicExtensionKeys, type ErrorCode } from './errors.ts';
import type { Logger } from './logger.ts';

export const unexpectedMessage = 'Unexpected error.';

/**
 * What a client gets to see: message and place of an error with a code of ours, everything else masked. The masked one is logged here,
 * under the trace id that the client was given.
 */
export function renderError(error: GraphQLError, traceId: string, logger: Logger): GraphQLFormattedError {
  const place = {
    ...(error.locations === undefined ? {} : { locations: error.locations }),
    ...(error.path === undefined ? {} : { path: error.path }),
  };
  const code = codeOf(error);
  if (code === undefined || code === 'INTERNAL_SERVER_ERROR') {
    logger.error(
      { traceId, path: error.path?.join('.'), err: error.originalError ?? error },
      'unexpected error in an operation',
    );
    return { message: unexpectedMessage, ...place, extensions: masked(traceId) };
  }
  return { message: error.message, ...place, extensions: publicExtensions(error, code, traceId) };
}

export function masked(traceId: string): Record<string, unknown> {
  const code = 'INTERNAL_SERVER_ERROR' satisfies ErrorCode;
  return { code, retryable: errorCodes[code].retryable, traceId };
}

export function publicExtensions(error: GraphQLError, code: ErrorCode, traceId: string): Record<string, unknown> {
  const given = publicExtensionKeys.flatMap(key => {
    const value = error.extensions[key];
    return value === undefined ? [] : [[key, value] as const];
  });
  return { ...Object.fromEntries(given), code, retryable: errorCodes[code].retryable, traceId };
}

export function codeOf(error: GraphQLError): ErrorCode | undefined {
  const { code } = error.extensions;
  if (isErrorCode(code)) return code;
  // graphql-js gives its own refusal of a variable's value no code.
  const isVariable = error.nodes?.length === 1 && error.nodes[0]?.kind === Kind.VARIABLE_DEFINITION;
  const ours = error.originalError === undefined || error.originalError instanceof GraphQLError;
  return code === undefined && isVariable && ours ? 'BAD_USER_INPUT' : undefined;
}
