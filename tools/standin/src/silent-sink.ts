import type { ResultSink } from './contract.ts';

/** For a statement of which nobody is told. */
export const silentSink: ResultSink = {
  columns: () => undefined,
  row: () => undefined,
  info: () => undefined,
  error: () => undefined,
  done: () => undefined,
  database: () => undefined,
  transaction: () => undefined,
  flush: () => Promise.resolve(),
};
