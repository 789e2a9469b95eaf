/** A sink that keeps result sets instead of sending them: INSERT … EXEC and procedures written in TypeScript. */
import type { Message, ResultColumn, ResultSink } from '../contract.ts';
import type { SqlValue } from '../values.ts';

export type CapturedSet = { readonly columns: readonly ResultColumn[]; readonly rows: (readonly SqlValue[])[] };
export type CapturedRows = { readonly sets: CapturedSet[] };

export function captured(): CapturedRows {
  return { sets: [] };
}

/** Result sets go to `rows`; messages and session changes go on to `outer`; statement ends are nobody's business. */
export function capturingSink(outer: ResultSink, rows: CapturedRows): ResultSink {
  return {
    columns: columns => {
      rows.sets.push({ columns, rows: [] });
    },
    row: values => {
      rows.sets[rows.sets.length - 1]?.rows.push(values);
    },
    info: (message: Message) => outer.info(message),
    error: (message: Message) => outer.error(message),
    done: () => undefined,
    database: (from, to) => outer.database(from, to),
    transaction: (change, descriptor) => outer.transaction(change, descriptor),
    flush: () => outer.flush(),
  };
}
