/** The operations a server is working on; each has a signal that ends with the client's interest or with the server. */
export type OperationsUnderWay = { begin(): AbortController; end(operation: AbortController): void; abortAll(): void };

export function operationsUnderWay(): OperationsUnderWay {
  const running = new Set<AbortController>();
  return {
    begin: () => {
      const operation = new AbortController();
      running.add(operation);
      return operation;
    },
    end: operation => {
      running.delete(operation);
      operation.abort();
    },
    abortAll: () => {
      for (const operation of running) operation.abort();
      running.clear();
    },
  };
}
