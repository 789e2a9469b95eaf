import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { storeSettings, type StoreSettings } from './store-settings.ts';
import { tracingSettings } from './tracing-settings.ts';

const address = /^(?:[\w.-]+|\[[0-9a-fA-F:]+\]):\d{1,5}(?:,\s*(?:[\w.-]+|\[[0-9a-fA-F:]+\]):\d{1,5})*$/;

/** The settings that every subgraph service has; a service adds its own beside them. */
export const subgraphSettings = {
  http: z
    .strictObject({
      host: z.string().min(1).default('127.0.0.1'),
      /** 0 takes a free one. */
      port: z.coerce.number().int().min(0).max(65_535).default(0),
    })
    .prefault({}),
  /** Folder of the service's database, when that is a file. */
  stateFolder: z
    .string()
    .min(1)
    .default(() => fileURLToPath(new URL('../../../.holdfast/state/', import.meta.url))),
  store: storeSettings,
  /** Reference (`env:NAME`, `file:path`) to the key that gateway and subgraphs share. */
  signingKey: z.string().min(1),
  lease: z
    .strictObject({
      /** How long a leader may be silent until a replica that waits takes its place. Below a second a busy machine would do. */
      replaceAfterSeconds: z.coerce.number().min(1).max(600).default(6),
    })
    .prefault({}),
  tracing: tracingSettings,
  /** Left out: the embedded bus, which reaches the services of this process only. */
  kafka: z
    .strictObject({
      /** `host:port`, several with commas between. */
      brokers: z.string().regex(address, 'must be host:port, several with commas between'),
      tls: z.stringbool().or(z.boolean()).default(false),
      /** PEM, of an issuer that this machine does not trust by itself. */
      caFile: z.string().min(1).optional(),
      sasl: z
        .strictObject({
          mechanism: z.enum(['scram-sha-256', 'scram-sha-512', 'plain']).default('scram-sha-256'),
          /** References, like the signing key. */
          username: z.string().min(1),
          password: z.string().min(1),
        })
        .optional(),
      /** Of topics that do not exist yet. */
      topics: z
        .strictObject({
          partitions: z.coerce.number().int().min(1).max(1_000).default(3),
          /** -1: as the cluster has it by default. */
          replication: z.coerce.number().int().min(-1).max(9).default(-1),
        })
        .prefault({}),
    })
    .refine(({ tls, caFile }) => tls || caFile === undefined, { message: 'caFile needs tls', path: ['caFile'] })
    // A password that anybody on the way can read is none.
    .refine(({ tls, sasl }) => tls || sasl?.mechanism !== 'plain', {
      message: 'the mechanism plain needs tls',
      path: ['sasl', 'mechanism'],
    })
    .optional(),
};

export type KafkaSettings = NonNullable<z.output<typeof subgraphSettings.kafka>>;

export type SubgraphSettings = {
  readonly http: { readonly host: string; readonly port: number };
  readonly stateFolder: string;
  readonly store?: StoreSettings | undefined;
  readonly signingKey: string;
  readonly lease?: { readonly replaceAfterSeconds: number };
  readonly kafka?: KafkaSettings | undefined;
  readonly tracing?: { readonly otlpUrl: string } | undefined;
};
