import type { Session } from './authentication.ts';

/** What this gateway adds to the runtime's context of an operation, whichever way it came in. */
export type OperationContext = {
  readonly session?: Session;
  /** What its errors are told under: the caller's request id, or the id of the trace. */
  readonly traceId?: string;
  /** W3C, of the span that what is asked of subgraphs belongs to. */
  readonly traceparent?: string;
};

/** The runtime hands contexts around as loose records; this is the one place that says what is in ours. */
export function operationContext(context: unknown): OperationContext {
  return typeof context === 'object' && context !== null ? context : {};
}
