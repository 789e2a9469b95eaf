import { fileURLToPath } from 'node:url';
import { tracingSettings } from '@holdfast/service/tracing';
import { z } from 'zod';

const url = z.url({ protocol: /^https?$/ });
/** One address, or those of all replicas: a list, or a text with commas between. */
const addresses = z
  .union([z.string().transform(text => text.split(',').map(each => each.trim())), z.array(z.string())])
  .pipe(z.array(url).min(1));

/** The section `gateway`. */
export const gatewaySchema = z.strictObject({
  http: z
    .strictObject({
      host: z.string().min(1).default('127.0.0.1'),
      /** 0 takes a free one. */
      port: z.coerce.number().int().min(0).max(65_535).default(0),
    })
    .prefault({}),
  /** Subgraph name → the address of its GraphQL endpoint, of each replica of it. */
  subgraphs: z.record(z.string(), addresses),
  supergraphFile: z
    .string()
    .min(1)
    .default(() => fileURLToPath(new URL('../generated/supergraph.graphql', import.meta.url))),
  auth: z
    .strictObject({
      issuer: z.string().min(1),
      audience: z.string().min(1),
      jwksUrl: url.optional(),
      /** PEM, SubjectPublicKeyInfo. */
      publicKeyFile: z.string().min(1).optional(),
    })
    .refine(auth => (auth.jwksUrl === undefined) !== (auth.publicKeyFile === undefined), {
      message: 'exactly one of jwksUrl and publicKeyFile is needed',
    }),
  /** Reference (`env:NAME`, `file:path`) to the key that gateway and subgraphs share. */
  signingKey: z.string().min(1),
  limits: z
    .strictObject({
      maxDepth: z.coerce.number().int().min(1).default(12),
      maxTokens: z.coerce.number().int().min(1).default(2_000),
      /** For all tries of one request together; the signature window (30 s) bounds it. */
      upstreamTimeoutMs: z.coerce.number().int().min(10).max(25_000).default(10_000),
      /** How long a live subscription waits for its service to come back before it ends with an error. */
      resumeWithinMs: z.coerce.number().int().min(0).max(600_000).default(30_000),
    })
    .prefault({}),
  tracing: tracingSettings,
  introspection: z.stringbool().or(z.boolean()).default(false),
  landingPage: z.stringbool().or(z.boolean()).default(false),
});

export type GatewayConfig = z.infer<typeof gatewaySchema>;
