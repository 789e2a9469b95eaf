import type { GroupId } from '@holdfast/domain';
import type { CursorKey, Page } from '@holdfast/service/graphql';
import type { Reader, Transactor } from '@holdfast/store';
import type { Group } from './group.ts';

export type GroupTable = { id: string; name: string; site: string; tags: string; registered_at: string };
export type InventoryTables = { biztalk_group: GroupTable };

/** Newest registration first would move rows between pages; by id they stay where they are. */
export const groupCursor = (group: Group): CursorKey => [group.id];

/** In the order of `groupCursor`, one row more than the page: it tells that there is a next one. `ids`: only these. */
export async function listGroups(
  db: Reader<InventoryTables>,
  page: Page,
  ids: readonly GroupId[] | undefined,
): Promise<Group[]> {
  let query = db.selectFrom('biztalk_group').selectAll().orderBy('id');
  const after = page.after?.[0];
  if (typeof after === 'string') query = query.where('id', '>', after);
  if (ids !== undefined) query = query.where('id', 'in', ids);
  return (await db.dialect.page(query, page.first + 1).execute()).map(toGroup);
}

export async function findGroups(db: Reader<InventoryTables>, ids: readonly GroupId[]): Promise<Group[]> {
  return (await db.selectFrom('biztalk_group').selectAll().where('id', 'in', ids).execute()).map(toGroup);
}

export async function insertGroup(tx: Transactor<InventoryTables>, group: Group): Promise<void> {
  const { id, name, site, tags, registeredAt } = group;
  await tx
    .insertInto('biztalk_group')
    .values({ id, name, site, tags: JSON.stringify(tags), registered_at: registeredAt })
    .execute();
}

function toGroup(row: GroupTable): Group {
  return {
    id: row.id as GroupId,
    name: row.name,
    site: row.site,
    tags: JSON.parse(row.tags) as string[],
    registeredAt: row.registered_at,
  };
}
