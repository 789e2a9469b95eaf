import type { Session } from './authentication.ts';

/** What this gateway adds to the runtime's context of an operation, whichever way it came in. */
export type OperationContext = { readonly session?: Session; readonly traceId?: string };

/** The runtime hands contexts around as loose records; this is the one place that says what is in ours. */
export function operationContext(context: unknown): OperationContext {
  return typeof context === 'object' && context !== null ? context : {};
}
