import { fileURLToPath } from 'node:url';
import { z } from 'zod';

/** The settings that every subgraph service has; a service adds its own beside them. */
export const subgraphSettings = {
  http: z
    .strictObject({
      host: z.string().min(1).default('127.0.0.1'),
      /** 0 takes a free one. */
      port: z.coerce.number().int().min(0).max(65_535).default(0),
    })
    .prefault({}),
  /** Folder of the service's database. */
  stateFolder: z
    .string()
    .min(1)
    .default(() => fileURLToPath(new URL('../../../.holdfast/state/', import.meta.url))),
  /** Reference (`env:NAME`, `file:path`) to the key that gateway and subgraphs share. */
  signingKey: z.string().min(1),
};

export type SubgraphSettings = {
  readonly http: { readonly host: string; readonly port: number };
  readonly stateFolder: string;
  readonly signingKey: string;
};
