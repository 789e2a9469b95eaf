import type { Message, ResultSink } from '../contract.ts';

/** A client that is interested in messages alone. */
export function messageSink(messages: Message[]): ResultSink {
  return {
    columns: () => undefined,
    row: () => undefined,
    info: message => void messages.push(message),
    error: message => void messages.push(message),
    done: () => undefined,
    database: () => undefined,
    transaction: () => undefined,
    flush: () => Promise.resolve(),
  };
}
