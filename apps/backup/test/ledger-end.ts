/** Where a ledger ended: its sets, points and last events, without what differs between two runs on copies of one source. */
import type { Store } from '@holdfast/store';
import { pageOfSets } from '../src/backup-set/backup-set-store.ts';
import { findLook } from '../src/backup-set/history-look-store.ts';
import { pageOfPoints } from '../src/recovery-point/recovery-point-store.ts';
import type { BackupTables } from '../src/tables.ts';
import { groupId } from './ledger.ts';
import { type Published, publishedAfter } from './store.ts';

const all = { first: 200, after: null };

/** @throws when an event was doubled, came out of order, or is not what the store holds. */
export async function ledgerEnd(store: Store<BackupTables>) {
  const sets = await store.read(db => pageOfSets(db, groupId, all, {}));
  const points = await store.read(db => pageOfPoints(db, groupId, all, undefined));
  const foreign = await store.read(db => db.selectFrom('foreign_backup').select(['body', 'confirmed']).execute());
  const { observationError, fileError, coveredDatabases, members } = await store.read(db => findLook(db, groupId));
  const events = lastEvents(await publishedAfter(store, 0));
  const stored = [
    ...sets.map(({ setId, version }) => [setId, version] as const),
    ...points.map(({ recoveryPointId, version }) => [recoveryPointId, version] as const),
  ];
  if (events.size !== stored.length) throw new Error('Not every set and point has its event.');
  for (const [id, version] of stored)
    if (events.get(id)?.['version'] !== version)
      throw new Error(`${id}: version ${String(version)} was not published.`);
  return {
    look: { observationError, fileError, coveredDatabases, members },
    sets: sets.map(({ version: _version, publishedHash: _hash, files, ...set }) => ({
      ...undated(set),
      files: files.map(({ seenAt: _seen, checkedAt, nextCheckAt: _next, ...file }) => ({
        ...undated(file),
        wasChecked: checkedAt !== null,
      })),
    })),
    foreign,
    points: points.map(({ version: _version, publishedHash: _hash, ...point }) => undated(point)),
    events: [...events.values()]
      .map(({ version: _version, ...event }) => undated(event))
      .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
  };
}

/** The last event of each set and point, by its id. Versions rise by one, and each says something that the one before did not. */
export function lastEvents(published: readonly Published[]): ReadonlyMap<string, Record<string, unknown>> {
  const last = new Map<string, Record<string, unknown>>();
  for (const { data } of published) {
    // A point's event names its set as well.
    const id = String(data['recoveryPointId'] ?? data['setId']);
    const before = last.get(id);
    const version = Number(before?.['version'] ?? 0) + 1;
    if (data['version'] !== version)
      throw new Error(`${id}: version ${String(data['version'])} came where ${String(version)} was next.`);
    if (JSON.stringify({ ...before, version }) === JSON.stringify(data))
      throw new Error(`${id}: version ${String(version)} says nothing new.`);
    last.set(id, data);
  }
  return last;
}

/** Without the dates of reasons: they are those of the look that found them. */
function undated<Value extends object>(value: Value): Value {
  return JSON.parse(JSON.stringify(value, (key, inner: unknown) => (key === 'since' ? undefined : inner))) as Value;
}
