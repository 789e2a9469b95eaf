import { type ExecutionResult, GraphQLError } from 'graphql';

/** What a replica answers to every operation while it does not lead, with or without a word for why (libs/service, subgraph-server). */
const notLeadingCodes = ['NOT_LEADER', 'SUBGRAPH_UNAVAILABLE'];

// How the runtime's executors mark what they made up themselves; their `extensions.request` holds address and body.
const transportCodes = ['SUBREQUEST_HTTP_ERROR', 'RESPONSE_VALIDATION_FAILED', 'GATEWAY_TIMEOUT', 'TIMEOUT_ERROR'];
// The request never left: nobody listens there, or there is no way there.
const unreachedCodes = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'];

/** `not reached` and `not leader`: it certainly did not run. `timed out` and `unanswered`: it may have. */
export type Verdict = 'answered' | 'not reached' | 'not leader' | 'timed out' | 'unanswered';

export function verdictOf({ errors }: ExecutionResult): Verdict {
  const unanswered = errors?.find(isUnanswered);
  if (unanswered === undefined) return 'answered';
  if (isNotLeader(unanswered)) return 'not leader';
  if (causesOf(unanswered).some(cause => unreachedCodes.includes(cause.code ?? ''))) return 'not reached';
  // By the text of AbortSignal.timeout: the error's own class does not survive the executor's wrapping everywhere.
  return unanswered.message.endsWith('due to timeout') ? 'timed out' : 'unanswered';
}

/** Whether a subgraph gave no usable answer at all: refused, cut, timed out, an HTTP status of 500 and above, or no leader. */
export function isUnanswered(error: unknown): boolean {
  if (!(error instanceof Error) || !('extensions' in error)) return true;
  // Not every error here is graphql-js's own: its optional parts may be missing altogether.
  const { extensions, originalError } = error as Partial<GraphQLError>;
  if (transportCodes.includes(String(extensions?.['code'])) || isNotLeader(error)) return true;
  return originalError !== undefined && !('extensions' in originalError);
}

export function isNotLeader(error: object): boolean {
  const { extensions } = error as Partial<GraphQLError>;
  return notLeadingCodes.includes(String(extensions?.['code']));
}

/** As if a replica that refused in another way had said it. */
export function notLeader(cause: Error): GraphQLError {
  return new GraphQLError('The replica does not lead.', { extensions: { code: 'NOT_LEADER' }, originalError: cause });
}

type Cause = { readonly code?: string };

/** An error and all that is behind it; a host with several addresses gives several errors. */
function causesOf(error: unknown): Cause[] {
  if (!Error.isError(error)) return [];
  const { originalError, cause, errors } = error as { originalError?: unknown; cause?: unknown; errors?: unknown };
  const inner: unknown[] = [originalError, cause, ...(Array.isArray(errors) ? (errors as unknown[]) : [])];
  return [error as Cause, ...inner.flatMap(causesOf)];
}
