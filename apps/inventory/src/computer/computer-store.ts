import type { GroupId } from '@holdfast/domain';
import { discoveredId } from '@holdfast/service';
import type { Reader, Transactor } from '@holdfast/store';
import { sameName } from '../estate/estate.ts';
import type { InventoryTables } from '../tables.ts';
import type { GroupComputer } from './computer.ts';

type ComputerRow = InventoryTables['group_computer'];

export async function findComputers(db: Reader<InventoryTables>, ids: readonly string[]): Promise<GroupComputer[]> {
  return (await db.selectFrom('group_computer').selectAll().where('id', 'in', ids).execute()).map(toComputer);
}

export async function computersOf(db: Reader<InventoryTables>, groupId: GroupId): Promise<GroupComputer[]> {
  const rows = await db
    .selectFrom('group_computer')
    .selectAll()
    .where('group_id', '=', groupId)
    .orderBy('name')
    .execute();
  return rows.map(toComputer);
}

/** Those that left are gone; who comes back has its id again. */
export async function replaceComputers(
  tx: Transactor<InventoryTables>,
  groupId: GroupId,
  names: readonly string[],
): Promise<void> {
  const known = await computersOf(tx, groupId);
  const isSame = names.length === known.length && names.every(name => known.some(each => each.name === name));
  if (isSame) return;
  const computers = names
    .filter((name, at) => names.findIndex(other => sameName(other, name)) === at)
    .map(name => ({ id: discoveredId('computer', groupId, name.toUpperCase()), group_id: groupId, name }));
  await tx.deleteFrom('group_computer').where('group_id', '=', groupId).execute();
  for (const computer of computers) await tx.insertInto('group_computer').values(computer).execute();
}

function toComputer({ id, group_id, name }: ComputerRow): GroupComputer {
  return { id, groupId: group_id as GroupId, name };
}
