import type { Ending } from '../ending.ts';
import type { GatewayClient } from '../gateway-client.ts';
import { type Union, until } from '../protect/answers.ts';
import type { Protected } from '../protect/protect.ts';

const idleLimitMs = 30_000;
/** Looks in a row that see the same before shipping counts as idle. */
const sameLooks = 4;

/** The mark at which a failover would land, asked once shipping has done with what the source left behind. */
export async function previewWhenIdle(
  client: GatewayClient,
  registered: Protected,
  ending: Pick<Ending, 'dead' | 'shareLost'>,
): Promise<string> {
  let last = '';
  let same = 0;
  await until(idleLimitMs, async () => {
    const now = JSON.stringify(await progress(client, registered.standbyId));
    same = now === last ? same + 1 : 0;
    last = now;
    return same >= sameLooks ? true : undefined;
  });
  const lost = [...(ending.dead.length > 0 ? ['SOURCE_SITE'] : []), ...(ending.shareLost ? ['BACKUP_SHARE'] : [])];
  const { groupId, standbyId } = registered;
  const input = { groupId, standbyId, target: { newest: true }, lost };
  const { recoveryPreview: answer } = await client.ask<{ recoveryPreview: Union }>(
    `query ($input: RecoveryPreviewInput!) { recoveryPreview(input: $input) {
      __typename ... on RecoveryPreview { markName } ... on Refusal { message fix } } }`,
    { input },
  );
  if (answer.__typename !== 'RecoveryPreview')
    throw new Error(`No preview: ${answer.__typename}: ${answer.message ?? ''} ${answer.fix ?? ''}`);
  return String(answer['markName']);
}

/** Where the standby's databases stand and how far the copies are. */
async function progress(client: GatewayClient, standbyId: string): Promise<unknown> {
  const { standby } = await client.ask<{ standby: unknown }>(
    `query ($id: ID!) { standby(id: $id) { newestCommonMarkName streams { databaseName position lastRestoredSet { id } }
      group { rpo { shipped { markName } restorable { markName } } } } }`,
    { id: standbyId },
  );
  return standby;
}
