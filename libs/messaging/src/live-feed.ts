import type { Reader, Store } from '@holdfast/store';
import { Wake } from './wake.ts';

export type Versioned<State> = { readonly version: number; readonly state: State };

export type LiveFeedOptions = {
  /** What the subscriber has seen already; left out: it is given the current state. */
  readonly afterVersion?: number | undefined;
  /** Ends the feed when it ends, or has ended already. */
  readonly signal?: AbortSignal | undefined;
};

/**
 * One aggregate, live, for a GraphQL subscription: its current state, then every later version once, in order. Versions that come while
 * the subscriber is busy are merged into the newest, so a slow one costs no memory: nothing is queued, the store is read when asked.
 * `load` answers undefined while the aggregate does not exist. An error of `load` ends the feed and reaches the subscriber.
 */
export function liveFeed<DB, State>(
  store: Store<DB>,
  load: (db: Reader<DB>) => Promise<Versioned<State> | undefined>,
  { afterVersion = -1, signal }: LiveFeedOptions = {},
): AsyncIterableIterator<State, undefined> {
  const wake = new Wake();
  let seen = afterVersion;
  let ended = false;
  const stopListening = store.afterCommit(() => wake.ring());
  const end = (): void => {
    ended = true;
    stopListening();
    signal?.removeEventListener('abort', end);
    wake.ring();
  };
  signal?.addEventListener('abort', end, { once: true });
  if (signal?.aborted === true) end();

  const nextState = async (): Promise<IteratorResult<State, undefined>> => {
    while (!ended) {
      try {
        const current = await store.read(load);
        // Asked again: return() may have come while the store was read.
        if (current !== undefined && current.version > seen && !isEnded()) {
          seen = current.version;
          return { done: false, value: current.state };
        }
      } catch (error) {
        end();
        throw error;
      }
      await wake.next();
    }
    return { done: true, value: undefined };
  };
  const isEnded = (): boolean => ended;

  // Calls of next() are answered one after the other; return() does not wait for them, it ends the one that waits.
  let last: Promise<unknown> = Promise.resolve();
  return {
    next() {
      const result = last.then(nextState, nextState);
      last = result;
      return result;
    },
    async return() {
      end();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
