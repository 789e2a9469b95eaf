import type { ExecutionResult } from 'graphql';

export type ResultStream = AsyncIterableIterator<ExecutionResult>;

export function isResultStream(result: unknown): result is ResultStream {
  return typeof result === 'object' && result !== null && Symbol.asyncIterator in result;
}

/** Each result through `map`; what the source throws becomes the last result through `mapThrown`. */
export function mapStream(
  source: ResultStream,
  map: (result: ExecutionResult) => ExecutionResult,
  mapThrown: (error: unknown) => ExecutionResult,
): ResultStream {
  const iterator = source[Symbol.asyncIterator]();
  let finished = false;
  return iteratorOf({
    async next() {
      if (finished) return { done: true, value: undefined };
      try {
        const next = await iterator.next();
        return next.done === true ? next : { done: false, value: map(next.value) };
      } catch (error) {
        finished = true;
        return { done: false, value: mapThrown(error) };
      }
    },
    async return() {
      finished = true;
      await iterator.return?.();
      return { done: true, value: undefined };
    },
  });
}

/**
 * A stream that can be ended from outside with one last result; `end` resolves when the reader has taken it. No generator: its `return()` would wait for the pending
 * `next()`, and a client that leaves would hold the source open until the next event.
 */
export function endableStream(
  source: ResultStream,
  onFinished: () => void,
): { stream: ResultStream; end: (last: ExecutionResult) => Promise<void> } {
  const iterator = source[Symbol.asyncIterator]();
  type Next = IteratorResult<ExecutionResult, undefined>;
  const done: Next = { done: true, value: undefined };
  let finished = false;
  let last: ExecutionResult | undefined;
  let markConsumed = (): void => undefined;
  const consumed = new Promise<void>(resolve => (markConsumed = resolve));
  let wake: ((next: Next) => void) | undefined;
  const finish = (): void => {
    if (finished) return;
    finished = true;
    onFinished();
    // Not awaited: a source that is itself waiting answers only with its next event.
    iterator.return?.().then(undefined, () => wake?.(done));
  };
  const next = (): Promise<Next> => {
    if (last !== undefined) {
      const value = last;
      last = undefined;
      return Promise.resolve({ done: false, value });
    }
    if (finished) {
      markConsumed();
      return Promise.resolve(done);
    }
    return new Promise<Next>((resolve, reject) => {
      wake = resolve;
      iterator.next().then(
        result => {
          if (result.done === true) finish();
          resolve(result.done === true ? done : result);
        },
        (error: unknown) => {
          finish();
          reject(error instanceof Error ? error : new Error('the stream failed', { cause: error }));
        },
      );
    }).finally(() => (wake = undefined));
  };
  return {
    stream: iteratorOf({
      next,
      async return() {
        finish();
        markConsumed();
        wake?.(done);
        return done;
      },
    }),
    end(result) {
      if (finished) return Promise.resolve();
      finish();
      if (wake === undefined) last = result;
      else wake({ done: false, value: result });
      return consumed;
    },
  };
}

export function iteratorOf(
  iterator: Required<Pick<AsyncIterator<ExecutionResult, undefined>, 'next' | 'return'>>,
): ResultStream {
  return Object.assign(iterator, {
    [Symbol.asyncIterator](this: ResultStream) {
      return this;
    },
    async [Symbol.asyncDispose]() {
      await iterator.return();
    },
  }) as ResultStream;
}
