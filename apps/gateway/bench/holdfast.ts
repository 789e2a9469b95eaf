import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createLogger } from '@holdfast/service';
import { gatewaySchema } from '../src/config.ts';
import { createGateway } from '../src/service.ts';
import { audience, bearer, issuer, signingKey, writePublicKey } from '../test/identity.ts';
import type { Announced } from './child.ts';

/** The gateway as it is in production: tokens, limits, signatures, plugins. `folder`: the supergraph, and `urls.json` with the subgraphs' addresses. */
export async function startHoldfast(folder: string): Promise<Announced> {
  const subgraphs = JSON.parse(await readFile(join(folder, 'urls.json'), 'utf8')) as Record<string, string>;
  const config = gatewaySchema.parse({
    subgraphs,
    supergraphFile: join(folder, 'supergraph.graphql'),
    auth: { issuer, audience, publicKeyFile: writePublicKey(folder) },
    signingKey: 'env:UNUSED',
  });
  const gateway = createGateway(config, { signingKey, logger: createLogger({ service: 'gateway', level: 'fatal' }) });
  const { url } = await gateway.start();
  return { url, authorization: await bearer({ nowMs: Date.now() }) };
}
