import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';

/**
 * How events take part in traces. All of it is about W3C `traceparent` texts: who records spans (the service shell) puts its own in the
 * place of `traceIdsOnly`, here they only travel.
 */
export type EventTracing = {
  /**
   * Runs the adding of one event of this type. `given`: the trace it belongs to; left out: that of what is under way here, and outside of
   * any a new one. `work` gets the traceparent that the event is to carry.
   */
  append<T>(type: string, given: string | undefined, work: (traceparent: string) => Promise<T>): Promise<T>;
  /** Runs an event's effect as part of the event's trace: what it appends belongs to the same. */
  apply<T>(
    event: { readonly type: string; readonly id: string; readonly traceparent: string | undefined },
    work: () => Promise<T>,
  ): Promise<T>;
};

const underWay = new AsyncLocalStorage<string>();

/** Records nothing: an effect's events go on in the trace of their cause. */
export const traceIdsOnly: EventTracing = {
  append: (_type, given, work) => work(given ?? underWay.getStore() ?? newTraceparent()),
  apply: ({ traceparent }, work) => (traceparent === undefined ? work() : underWay.run(traceparent, work)),
};

/** The root of a new trace. Marked as sampled: whether anything is recorded is up to those who export. */
export function newTraceparent(): string {
  const digits = (): string => randomUUID().replaceAll('-', '');
  return `00-${digits()}-${digits().slice(16)}-01`;
}
