import { GraphQLError, Kind, parse } from 'graphql';
import type { Clock } from './clock.ts';
import { apiError } from './errors.ts';
import { verifyCaller, type Caller, type SignatureProblem } from './identity.ts';

/** What arrives over HTTP or WebSocket, before anything in it is believed. */
export type ReceivedOperation = {
  readonly query?: unknown;
  readonly variables?: unknown;
  readonly extensions?: unknown;
};

export type SignatureGate = { readonly key: Uint8Array; readonly subgraph: string; readonly clock: Clock };

const problems: Record<SignatureProblem, string> = {
  missing: 'The request is not signed.',
  malformed: 'The signature of the request is malformed.',
  expired: 'The signature of the request is too old or comes from a clock that differs too much.',
  forged: 'The signature does not fit this request and subgraph.',
};

const fix = 'Send the operation to the gateway; subgraphs answer the gateway alone.';

/**
 * The caller that the gateway vouches for. @throws GraphQLError UNAUTHENTICATED (HTTP 401). A signature covers query and variables but
 * not `operationName`, so a document with several operations is refused: whoever sees it could choose another one.
 */
export function admitOperation(received: unknown, gate: SignatureGate, traceId: string): Caller {
  const { query, variables, extensions } = isFields(received) ? received : {};
  const signed = isFields(extensions) ? extensions['holdfast'] : undefined;
  if (typeof query !== 'string') throw unauthenticated(problems.missing, traceId);
  const outcome = verifyCaller(gate.key, signed, gate.subgraph, { query, variables }, gate.clock());
  if ('problem' in outcome) throw unauthenticated(problems[outcome.problem], traceId);
  const operations = parse(query, { noLocation: true }).definitions.filter(
    ({ kind }) => kind === Kind.OPERATION_DEFINITION,
  );
  if (operations.length > 1) throw unauthenticated('A signed request holds one operation only.', traceId);
  return outcome.caller;
}

function unauthenticated(message: string, traceId: string): GraphQLError {
  return apiError('UNAUTHENTICATED', message, { fix, traceId, httpStatus: 401 });
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
