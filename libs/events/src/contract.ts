import { z } from 'zod';

export type Audience = 'public' | 'internal' | 'dead-letter';

/** One event type: its name, its topic, what it carries and by what it is kept in order. */
export type EventContract<Payload = unknown> = {
  /** `io.holdfast.<service>.<noun>.<pastTense>.v<n>` */
  readonly type: string;
  readonly topic: string;
  /** `public`: integration jobs get it. `internal` events carry addresses and credential references, `dead-letter` may quote one. */
  readonly audience: Audience;
  readonly schema: z.ZodType<Payload>;
  /** The partition key: group id, or instance id for an instance in no group. Events of one key stay in order. */
  readonly key: (payload: Payload) => string;
  /** The CloudEvents subject: the id of the thing that changed. */
  readonly subject: (payload: Payload) => string;
};

export type PayloadOf<Contract> = Contract extends EventContract<infer Payload> ? Payload : never;

export function contract<Shape extends z.ZodType>(definition: {
  service: 'inventory' | 'backup' | 'shipping' | 'restore';
  name: `${string}.${string}.v${number}`;
  audience?: Audience;
  schema: Shape;
  key: (payload: z.infer<Shape>) => string;
  subject: (payload: z.infer<Shape>) => string;
}): EventContract<z.infer<Shape>> {
  const { service, name, audience = 'public', schema, key, subject } = definition;
  return {
    type: `io.holdfast.${service}.${name}`,
    topic: `holdfast.${audience === 'public' ? service : audience}.v1`,
    audience,
    schema: schema as unknown as z.ZodType<z.infer<Shape>>,
    key,
    subject,
  };
}

// Field types that several events share. Additive change only inside a version.
export const id = z.uuid();
export const lsn = z.string().regex(/^\d{1,25}$/);
export const time = z.iso.datetime();
export const bytes = z.string().regex(/^\d+$/);
/** Raised by one with every published change of the aggregate; a consumer drops what is not newer. */
export const version = z.int().positive();
export const reason = z.object({
  code: z.string(),
  message: z.string(),
  fix: z.string(),
  evidence: z.string().nullable(),
  since: time.nullable(),
});
export const verdict = z.enum(['SOUND', 'DEGRADED', 'BROKEN', 'UNKNOWN']);
