import { z } from 'zod';
import { dataSchemaOf, eventEnvelope } from './codec.ts';
import type { Audience, EventContract } from './contract.ts';

/** What a contract promises to those who have stored or subscribed to its events. */
export type PublishedContract = {
  readonly type: string;
  readonly topic: string;
  readonly audience: Audience;
  /** The payload's field that is the message key, and the envelope's `partitionkey`. */
  readonly key: string;
  /** The payload's field that is the envelope's `subject`. */
  readonly subject: string;
  /** Names the schema inside every event; the schema's `$id`. */
  readonly dataschema: string;
  /** JSON Schema 2020-12 of the whole event, envelope included. */
  readonly schema: JsonSchema;
};
export type JsonSchema = { readonly [keyword: string]: unknown };

export function publishedContract(contract: EventContract<never>): PublishedContract {
  const { type, topic, audience } = contract;
  const dataschema = dataSchemaOf(contract);
  return {
    type,
    topic,
    audience,
    key: fieldOf(contract.key),
    subject: fieldOf(contract.subject),
    dataschema,
    schema: schemaOfEvent(contract, dataschema),
  };
}

function schemaOfEvent({ type, schema }: EventContract<never>, dataschema: string): JsonSchema {
  const [, , service = ''] = type.split('.');
  // What the outbox writes is narrower than what a consumer of ours insists on.
  const event = eventEnvelope.extend({
    id: z.uuid(),
    source: z.literal(`/holdfast/${service}`),
    type: z.literal(type),
    dataschema: z.literal(dataschema),
    sequence: z.string().regex(/^\d{12}$/),
    data: schema,
  });
  const { $schema, ...rest } = z.toJSONSchema(event, {
    io: 'output',
    // A published schema must accept what a later version of the publisher adds.
    override: ({ jsonSchema }) => {
      if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
    },
  });
  // Through JSON: what JSON keeps is what is published.
  return JSON.parse(JSON.stringify({ $schema, $id: dataschema, title: type, ...rest })) as JsonSchema;
}

/** Which field a contract's function answers: it is given a payload whose fields hold their own names. */
function fieldOf(pick: (payload: never) => string): string {
  return pick(new Proxy({}, { get: (_target, field) => String(field) }) as never);
}
