import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { type DatabaseId, requireLsn, type StandbyId } from '@holdfast/domain';
import { discoveredId } from '@holdfast/service';
import type { Reader, Store } from '@holdfast/store';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Kysely, KyselyPlugin } from 'kysely';
import { join } from 'node:path';
import { copiesOf, fork, log, type SetPayload, set, standby as template, stream, target } from '../../test/estate.ts';
import { openWorldStore } from '../../test/world.ts';
import { findUncopied, saveCopy } from '../copy/copy-store.ts';
import { saveSet } from '../estate/estate-store.ts';
import type { Standby } from '../standby/standby.ts';
import type { ShippingTables } from '../tables.ts';
import type { DatabaseLook } from './assessment.ts';
import { assessFrom } from './look-runner.ts';
import type { Stream } from './stream.ts';

// Days of a group of thirteen databases: a log set every quarter of an hour, a full each day. Log n is from 10·n to 10·n + 10. What is loaded
// does not depend on how many they are; a source keeps fourteen.
const days = process.env['HOLDFAST_TESTS'] === 'long' ? 14 : 2;
const perDay = 96;
const names = Array.from({ length: 13 }, (_, index) => `Db${String(index).padStart(2, '0')}`);
const streams = names.map(name => stream(name, { state: 'IN_SYNC' }));
const standbyId: StandbyId = template.id;
const last = days * perDay;

let folder: string;
let store: Store<ShippingTables>;
let rows = 0;

const counter: KyselyPlugin = {
  transformQuery: ({ node }) => node,
  transformResult: async ({ result }) => {
    rows += result.rows.length;
    return result;
  },
};
/** How many rows this reads, and what it answers. */
async function counted<Result>(work: (db: Reader<ShippingTables>) => Promise<Result>) {
  rows = 0;
  const result = await store.read(db => {
    const plain = (db as unknown as Kysely<ShippingTables>).withPlugin(counter);
    return work(Object.assign(plain, { dialect: db.dialect }));
  });
  return { result, rows };
}

/** The files of one set, for all thirteen. */
function widened(of: SetPayload): SetPayload {
  const [file] = of.files as [SetPayload['files'][number]];
  const files = names.map(name => ({
    ...file,
    fileId: discoveredId('file', of.setId, name),
    databaseId: discoveredId('database', name),
    databaseName: name,
    header: file.header === null ? null : { ...file.header, backupSetUuid: discoveredId('uuid', of.number, name) },
  }));
  return { ...of, files };
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-window-'));
  store = await openWorldStore(folder);
  await store.transaction(async tx => {
    for (let n = 1; n <= last; n += 1) {
      const sets = n % perDay === 1 ? [set(n * 10 - 5, 'FULL', [n * 10 - 10, n * 10]), log(n)] : [log(n)];
      for (const one of sets.map(widened)) {
        await saveSet(tx, one);
        for (const copy of copiesOf(one)) await saveCopy(tx, { ...copy, standbyId });
      }
    }
  });
}, 120_000);
afterAll(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

const pass = (positions: readonly (number | null)[], of: readonly Stream[] = streams) => {
  const databases = positions.flatMap((at, index): DatabaseLook[] =>
    at === null
      ? []
      : [
          {
            name: names[index]!,
            state: 'RESTORING',
            redoStartLsn: requireLsn(String(at)),
            redoStartForkGuid: fork,
          },
        ],
  );
  const observedAt = '2026-11-21T11:00:00.000Z';
  const looks = [{ instanceId: target.instanceId, observedAt, reachable: true as const, databases }];
  const standby: Standby = { ...template, state: 'IN_SYNC' };
  return counted(db => assessFrom(db, { standby, streams: of, looks, nowMs: 0 }));
};
const everywhere = (at: number | null) => names.map(() => at);

it('loads a few sets for a standby in step, however long the ledger is', async () => {
  const seen = await pass(everywhere(last * 10));
  expect(seen.result).toMatchObject({ floor: `M${String(last)}`, state: 'IN_SYNC', steps: [] });
  // The set that ends at the position and the one that is held back, with their copies, and one row each for the sets.
  expect(seen.rows).toBeLessThanOrEqual(2 * (1 + 13 + 13) + 13);
});

it('loads what one database that is behind needs, not more', async () => {
  const seen = await pass([(last - 20) * 10, ...everywhere(last * 10).slice(1)]);
  expect(seen.result.steps.map(({ stream: of, reaches }) => [of.databaseName, reaches])).toEqual([
    [names[0], String((last - 19) * 10)],
  ]);
  expect(seen.rows).toBeLessThanOrEqual(23 * (1 + 13 + 13) + 13);
});

it('loads from the newest usable full on where nothing is there yet', async () => {
  const seen = await pass(everywhere(null));
  expect(seen.result.steps).toHaveLength(13);
  expect(new Set(seen.result.steps.map(({ kind }) => kind))).toEqual(new Set(['RESTORE_FULL']));
  expect(seen.rows).toBeLessThanOrEqual((perDay + 2) * (1 + 13 + 13) + 2 * 13);
});

it('goes back to an older full where the newest leaves no mark for all', async () => {
  // The second one cannot follow: its logs of the last day are not here, and the first is to be begun.
  const missing = discoveredId('database', names[1]!) as DatabaseId;
  const later = String((last - 100) * 10).padStart(25, '0');
  await store.transaction(tx =>
    tx
      .updateTable('copy')
      .set({ state: 'WRITTEN' })
      .where('database_id', '=', missing)
      .where('set_id', 'in', eb =>
        eb.selectFrom('known_file').select('set_id').where('last_lsn_sorted', '>', later).where('set_type', '=', 'LOG'),
      )
      .execute(),
  );
  const at = (last - 110) * 10;
  const seen = await pass([null, ...everywhere(at).slice(1)]);
  expect(seen.result.floor).toBe(`M${String(last - 101)}`);
  expect(seen.result.steps.find(({ kind }) => kind === 'RESTORE_FULL')?.stream.databaseName).toBe(names[0]);
});

it('finds the next file to copy without loading those that are there', async () => {
  const databaseId = discoveredId('database', names[2]!) as DatabaseId;
  const next = await counted(db =>
    findUncopied(db, { standbyId, databaseId, positionLsn: requireLsn(String(last * 10)), nowMs: 0 }),
  );
  expect(next.result).toBeUndefined();
  expect(next.rows).toBeLessThanOrEqual(2);
});
