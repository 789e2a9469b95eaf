import type { Ending } from '../ending.ts';
import type { GatewayClient } from '../gateway-client.ts';
import { type Union, until } from '../protect/answers.ts';
import type { Protected } from '../protect/protect.ts';

const idleLimitMs = 60_000;
/** Looks in a row that see the same before shipping counts as idle. Without the share nobody can say what should still come: more of them. */
const sameLooks = { withShare: 4, withoutShare: 10 } as const;
/** Looks of the ledger at a source that still answers, after which everything that was under way at the start is written down. */
const ledgerLooks = 2;

/** `mark`: at which a failover would land. `commonMark`: the newest one that the standby itself names. */
export type Preview = { readonly mark: string; readonly commonMark: string };

/** Asked once Holdfast has done with what the source left behind. */
export async function previewWhenIdle(
  client: GatewayClient,
  registered: Protected,
  ending: Pick<Ending, 'dead' | 'shareLost'>,
): Promise<Preview> {
  const needed = ending.shareLost ? sameLooks.withoutShare : sameLooks.withShare;
  const ledger = new Set<string>();
  let last = '';
  let commonMark = '';
  let same = 0;
  await until(idleLimitMs, async () => {
    const { observation, ...now } = await progress(client, registered.standbyId);
    ledger.add(observation.observedAt ?? '');
    // What the ledger has proven and the share still holds is going to be shipped: a pause before it begins is not the end.
    const allSeen = observation.error !== null || ledger.size > ledgerLooks;
    const allShipped = now.taken === now.shipped || ending.shareLost;
    const text = JSON.stringify(now);
    same = text === last && allSeen && allShipped && !now.isCopying ? same + 1 : 0;
    last = text;
    commonMark = now.newestCommonMarkName ?? '';
    return same >= needed ? true : undefined;
  }).catch((error: unknown) => {
    throw new Error(`Shipping did not come to rest: ${last}`, { cause: error });
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
  return { mark: String(answer['markName']), commonMark };
}

/** Where the standby's databases stand, how far the copies are, and when the ledger has last looked at the source. */
async function progress(client: GatewayClient, standbyId: string) {
  const { standby } = await client.ask<{ standby: Progress | null }>(
    `query ($id: ID!) { standby(id: $id) {
      newestCommonMarkName streams { databaseName position lastRestoredSet { id } copying { file } }
      group { backupObservation { observedAt error }
        rpo { taken { markName } shipped { markName } restorable { markName } } } } }`,
    { id: standbyId },
  );
  const { backupObservation: observation, rpo } = standby?.group ?? {};
  if (!standby || !observation || !rpo) throw new Error('The standby, its group or its RPO is not known.');
  const { newestCommonMarkName, streams } = standby;
  return {
    ...{ newestCommonMarkName, streams, observation },
    taken: rpo.taken.markName,
    shipped: rpo.shipped.markName,
    restorable: rpo.restorable.markName,
    isCopying: streams.some(({ copying }) => copying !== null),
  };
}

type Stage = { readonly markName: string | null };
type Progress = {
  readonly newestCommonMarkName: string | null;
  readonly streams: readonly { readonly copying: unknown }[];
  readonly group: {
    readonly backupObservation: { readonly observedAt: string | null; readonly error: string | null } | null;
    readonly rpo: { readonly taken: Stage; readonly shipped: Stage; readonly restorable: Stage } | null;
  } | null;
};
