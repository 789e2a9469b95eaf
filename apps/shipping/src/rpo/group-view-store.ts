import type { DatabaseId, GroupId } from '@holdfast/domain';
import { compareLsn, type Lsn } from '@holdfast/domain/lsn';
import type { Reader } from '@holdfast/store';
import { listCopies } from '../copy/copy-store.ts';
import { loadPoints, loadSets } from '../estate/estate-store.ts';
import { findBase, type Window } from '../estate/window-store.ts';
import type { Standby } from '../standby/standby.ts';
import { listStandbys } from '../standby/standby-store.ts';
import type { Stream } from '../stream/stream.ts';
import { listStreams } from '../stream/stream-store.ts';
import type { ShippingTables } from '../tables.ts';
import type { GroupView } from './rpo.ts';

type Db = Reader<ShippingTables>;

/**
 * NEWEST: what the newest marks need, from where each database stood, or from its newest usable full if that ends before. LEDGER: every set
 * there ever was, for a mark that lies further back.
 */
export type Depth = 'NEWEST' | 'LEDGER';

export async function loadGroupView(
  db: Db,
  groupId: GroupId,
  depth: Depth,
  isExpired: (standby: Standby) => boolean,
): Promise<GroupView> {
  const standbys = await listStandbys(db, groupId);
  const ids = standbys.map(({ id }) => id);
  const streams = await listStreams(db, ids);
  const window = depth === 'LEDGER' ? undefined : await windowOf(db, streams);
  const copies = await listCopies(db, ids, window);
  return {
    sets: await loadSets(db, groupId, window),
    points: await loadPoints(db, groupId),
    standbys: standbys.map(standby => ({
      standby,
      streams: streams.filter(({ standbyId }) => standbyId === standby.id),
      copies: copies.filter(({ standbyId }) => standbyId === standby.id),
      expired: isExpired(standby),
    })),
  };
}

async function windowOf(db: Db, streams: readonly Stream[]): Promise<Window> {
  const window = new Map<DatabaseId, Lsn>();
  for (const { databaseId, standbyId, position } of streams) {
    const base = await findBase(db, databaseId, { standbyId });
    for (const lsn of [position?.lsn, base?.endsAt, window.get(databaseId)]) {
      const before = window.get(databaseId);
      if (lsn !== undefined && (before === undefined || compareLsn(lsn, before) < 0)) window.set(databaseId, lsn);
    }
  }
  return window;
}
