import type { GroupId } from '@holdfast/domain';
import { groupObserved } from '@holdfast/events';
import { observationOf } from '@holdfast/service/graphql';
import type { HostDependencies } from '@holdfast/service/host';
import type { Transactor } from '@holdfast/store';
import type { Outdated } from '../coverage/coverage-reasons.ts';
import type { InventoryTables } from '../tables.ts';
import { toldOfGroup } from './group-news.ts';
import type { Group } from './group.ts';
import { requireGroup, updateGroup } from './group-store.ts';
import { storedNews } from './news-store.ts';

export type InventoryDependencies = HostDependencies<InventoryTables> & {
  /** How often each group and instance is looked at: facts are as old as that many looks missed. */
  readonly observeEveryMs: number;
};

/** Facts of this age carry no verdict (api: `Observation`). */
const noVerdict: ReadonlySet<string> = new Set(['EXPIRED', 'NEVER']);

/** Whether facts of that look must not be relied on any more, as of now. */
export function outdatedBy({ observeEveryMs, clock }: InventoryDependencies): (seen: Outdated) => boolean {
  const now = clock();
  return seen => noVerdict.has(observationOf(seen, observeEveryMs, now).freshness);
}

/**
 * Publishes the whole of what is known of a group, as it is in the store of this transaction, under a higher version, when that is news;
 * asked again it publishes nothing.
 */
export async function tellGroup(
  deps: InventoryDependencies,
  tx: Transactor<InventoryTables>,
  id: GroupId,
): Promise<Group> {
  const group = await requireGroup(tx, id);
  const news = await storedNews(tx, group, outdatedBy(deps));
  const told = toldOfGroup(news);
  if (told === group.told) return group;
  const next = { ...group, version: group.version + 1, told };
  await updateGroup(tx, next);
  await deps.outbox.append(tx, groupObserved, {
    ...news,
    coverage: [...news.coverage],
    version: next.version,
    observedAt: group.observedAt ?? group.registeredAt,
  });
  return next;
}
