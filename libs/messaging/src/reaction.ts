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
    | ({ readonly ok: true; readonly envelope: Envelope } & Effects<DB>)
    | { readonly ok: false; readonly problem: string };
};

type Effect<DB> = (tx: Transactor<DB>) => Promise<void>;
/** `repeat`: in place of `apply` when a rebuild reads an event again that was applied; undefined: `apply`. */
export type Effects<DB> = { readonly apply: Effect<DB>; readonly repeat: Effect<DB> | undefined };
type EffectOf<DB, Payload> = (tx: Transactor<DB>, payload: Payload, envelope: Envelope) => Promise<void>;

/**
 * `apply` records, it does no work outside the store (design.md §1.3): it may run again after a failure or a kill. Where it changes more
 * than projections (state of the service's own, events that follow), a rebuild must not do that again: then `repeat` is what is left.
 */
export function on<DB, Payload>(
  contract: EventShape<Payload>,
  apply: EffectOf<DB, Payload>,
  repeat?: EffectOf<DB, NoInfer<Payload>>,
): Reaction<DB> {
  const { topic, type } = contract;
  return {
    topic,
    type,
    parse: (codec, value) => {
      const parsed = codec.parse(contract, value);
      if (!parsed.ok) return parsed;
      const { payload, envelope } = parsed;
      const effect = (work: EffectOf<DB, Payload>) => async (tx: Transactor<DB>) => work(tx, payload, envelope);
      return { ok: true, envelope, apply: effect(apply), repeat: repeat && effect(repeat) };
    },
  };
}
