import type { GatewayClient } from '../gateway-client.ts';
import { patienceMs, until } from './answers.ts';

/**
 * Waits until the standby follows: it can stop at some mark, or at the named one; not any longer when the signal is raised.
 * @throws Error with what it says of itself at the limit.
 */
export async function untilInSync(
  client: GatewayClient,
  standbyId: string,
  { mark, signal }: { readonly mark?: string; readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  let last: unknown;
  const inSync = until(patienceMs, async () => {
    if (signal?.aborted === true) return true;
    const { standby } = await client.ask<{ standby: { state: string; newestCommonMarkName: string | null } | null }>(
      `query ($id: ID!) { standby(id: $id) { state newestCommonMarkName reasons { code message }
         streams { databaseName state reasons { code message } } } }`,
      { id: standbyId },
    );
    last = standby;
    if (standby?.state !== 'IN_SYNC' || standby.newestCommonMarkName === null) return undefined;
    return mark === undefined || standby.newestCommonMarkName === mark ? true : undefined;
  });
  await inSync.catch((error: unknown) => {
    throw new Error(`The standby did not follow: ${JSON.stringify(last)}`, { cause: error });
  });
}
