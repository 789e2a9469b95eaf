import { GraphQLError } from 'graphql';

/**
 * The closed list of `errors[].extensions.code`; clients branch on it, so entries are only ever added.
 * `retryable`: the same request may succeed later without a change by the caller.
 * The `GRAPHQL_*`, `BAD_REQUEST` and `OPERATION_RESOLUTION_FAILURE` codes are Apollo Server's names for requests it refuses.
 */
export const errorCodes = {
  BAD_USER_INPUT: { retryable: false },
  BAD_REQUEST: { retryable: false },
  GRAPHQL_PARSE_FAILED: { retryable: false },
  GRAPHQL_VALIDATION_FAILED: { retryable: false },
  OPERATION_RESOLUTION_FAILURE: { retryable: false },
  UNAUTHENTICATED: { retryable: false },
  FORBIDDEN: { retryable: false },
  NOT_FOUND: { retryable: false },
  LIMIT_EXCEEDED: { retryable: false },
  TIMEOUT: { retryable: true },
  SUBGRAPH_UNAVAILABLE: { retryable: true },
  SHUTTING_DOWN: { retryable: true },
  INTERNAL_SERVER_ERROR: { retryable: false },
} as const satisfies Record<string, { retryable: boolean }>;

export type ErrorCode = keyof typeof errorCodes;

/** Everything a client may see beside code, `retryable` and `traceId`; `cause` and `httpStatus` stay with the server. */
export type ApiErrorDetails = {
  /** What the caller can do about it. */
  readonly fix?: string;
  /** The argument or input field that is wrong. */
  readonly field?: string;
  /** The limit that was exceeded. */
  readonly limit?: number;
  /** The service that did not answer. */
  readonly service?: string;
  readonly traceId?: string;
  readonly httpStatus?: number;
  readonly cause?: Error;
};

/** Extension keys that may leave the process; whatever else an error carries is dropped when it is rendered. */
export const publicExtensionKeys = ['code', 'retryable', 'traceId', 'fix', 'field', 'limit', 'service'] as const;

/** An error a client is meant to read; the subgraph server adds `traceId`. For the whole request's HTTP status give `httpStatus`. */
export function apiError(code: ErrorCode, message: string, details: ApiErrorDetails = {}): GraphQLError {
  const { cause, httpStatus, ...shown } = details;
  return new GraphQLError(message, {
    ...(cause === undefined ? {} : { originalError: cause }),
    extensions: {
      code,
      retryable: errorCodes[code].retryable,
      ...shown,
      ...(httpStatus === undefined ? {} : { http: { status: httpStatus } }),
    },
  });
}

export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(errorCodes, code);
}
