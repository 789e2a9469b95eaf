import { z } from 'zod';

/** What the codec needs of a contract; every `EventContract` has it. */
export type EventDefinition<Payload> = {
  readonly type: string;
  readonly topic: string;
  readonly schema: { safeParse(value: unknown): Checked<Payload> };
  readonly key: (payload: Payload) => string;
  readonly subject: (payload: Payload) => string;
};
type Checked<Payload> = { success: true; data: Payload } | { success: false; error: { readonly message: string } };

/** `time` RFC 3339 UTC; `source` names the publishing service (`/holdfast/backup`); `sequence` counts the events of one key. */
export type EventStamp = {
  readonly id: string;
  readonly time: string;
  readonly source: string;
  readonly sequence: string;
  /** W3C trace context of what caused the event. */
  readonly traceparent?: string | undefined;
};

export const eventContentType = 'application/cloudevents+json; charset=utf-8';

export const eventEnvelope = z.object({
  specversion: z.literal('1.0'),
  id: z.string().min(1),
  source: z.string().min(1),
  type: z.string().min(1),
  subject: z.string().min(1),
  time: z.iso.datetime(),
  datacontenttype: z.literal('application/json'),
  dataschema: z.string().min(1),
  partitionkey: z.string().min(1),
  sequence: z.string().min(1),
  traceparent: z.string().optional(),
});
/** A CloudEvents 1.0 context, extensions partitionkey, sequence and traceparent included. */
export type EventEnvelope = z.infer<typeof eventEnvelope>;
export type RenderedEvent = EventEnvelope & { readonly data: unknown };

export type ParsedEvent<Payload> =
  | { readonly ok: true; readonly payload: Payload; readonly envelope: EventEnvelope }
  | { readonly ok: false; readonly problem: string };

/** The schema's address: the type's last part is its version, so a new version has a new address. */
export function dataSchemaOf({ type }: { readonly type: string }): string {
  return `urn:holdfast:schema:${type}`;
}

/**
 * One self-contained CloudEvents 1.0 value in structured mode (`eventContentType`).
 * @throws Error when the payload does not satisfy its own contract: a fault of the publisher, found before it is stored.
 */
export function renderEvent<Payload>(
  contract: EventDefinition<Payload>,
  payload: Payload,
  { id, time, source, sequence, traceparent }: EventStamp,
): RenderedEvent {
  const checked = contract.schema.safeParse(payload);
  if (!checked.success) throw new Error(`${contract.type} does not satisfy its contract: ${checked.error.message}`);
  return {
    specversion: '1.0',
    id,
    source,
    type: contract.type,
    subject: contract.subject(checked.data),
    time,
    datacontenttype: 'application/json',
    dataschema: dataSchemaOf(contract),
    partitionkey: contract.key(checked.data),
    sequence,
    ...(traceparent === undefined ? {} : { traceparent }),
    data: checked.data,
  };
}

/** Unknown fields are dropped, so that a publisher may add some. An event that cannot be read is a value, not an exception. */
export function parseEvent<Payload>(contract: EventDefinition<Payload>, value: unknown): ParsedEvent<Payload> {
  const context = eventEnvelope.safeParse(value);
  if (!context.success) return { ok: false, problem: `not a CloudEvent of ours: ${context.error.message}` };
  if (context.data.type !== contract.type)
    return { ok: false, problem: `the type is ${context.data.type}, not ${contract.type}` };
  const payload = contract.schema.safeParse((value as { data?: unknown }).data);
  if (!payload.success) return { ok: false, problem: `${contract.type}: ${payload.error.message}` };
  return { ok: true, payload: payload.data, envelope: context.data };
}

/** The pair, as `libs/messaging` takes it. */
export const eventCodec = { render: renderEvent, parse: parseEvent };
