/**
 * What messaging needs of an event contract and of its codec. `libs/events` satisfies both structurally, the compiler joins them in the
 * app: the two libraries do not import each other (style.md §4).
 */
export type EventShape<Payload> = {
  readonly type: string;
  readonly topic: string;
  readonly schema: {
    safeParse(
      value: unknown,
    ): { success: true; data: Payload } | { success: false; error: { readonly message: string } };
  };
  readonly key: (payload: Payload) => string;
  readonly subject: (payload: Payload) => string;
};

export type Stamp = {
  readonly id: string;
  /** RFC 3339 UTC */
  readonly time: string;
  readonly source: string;
  /** Counts the events of one key in one topic; fixed width, so that it orders as text too. */
  readonly sequence: string;
  readonly traceparent?: string | undefined;
};

export type Envelope = Stamp & { readonly type: string; readonly subject: string; readonly partitionkey: string };

export type EventCodec = {
  /** A JSON value. @throws when the payload breaks its contract. */
  render<Payload>(contract: EventShape<Payload>, payload: Payload, stamp: Stamp): object;
  parse<Payload>(
    contract: EventShape<Payload>,
    value: unknown,
  ):
    | { readonly ok: true; readonly payload: Payload; readonly envelope: Envelope }
    | { readonly ok: false; readonly problem: string };
};
