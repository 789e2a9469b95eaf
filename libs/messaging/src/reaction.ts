import type { Transactor } from '@holdfast/store';
import type { Envelope, EventCodec, EventShape } from './event.ts';

/** What a consumer does about one type of event. Made by `on`. */
export type Reaction<DB> = {
  readonly topic: string;
  readonly type: string;
  readonly parse: (
    codec: EventCodec,
    value: unknown,
  ) =>
    | { readonly ok: true; readonly apply: (tx: Transactor<DB>) => Promise<void> }
    | { readonly ok: false; readonly problem: string };
};

/** `apply` records, it does no work outside the store (design.md §1.3): it may run again after a failure or a kill. */
export function on<DB, Payload>(
  contract: EventShape<Payload>,
  apply: (tx: Transactor<DB>, payload: Payload, envelope: Envelope) => Promise<void>,
): Reaction<DB> {
  const { topic, type } = contract;
  return {
    topic,
    type,
    parse: (codec, value) => {
      const parsed = codec.parse(contract, value);
      return parsed.ok ? { ok: true, apply: async tx => apply(tx, parsed.payload, parsed.envelope) } : parsed;
    },
  };
}
