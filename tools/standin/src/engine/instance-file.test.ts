import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { Disk } from './durable-file.ts';
import { InstanceFile, type InstanceState } from './instance-file.ts';
import type { DatabaseDescription } from './stored-database.ts';

let folder = '';
let places: string[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'standin-instance-'));
  places = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const path = (): string => join(folder, 'instance.json');
const journal = (): string => join(folder, 'instance.journal');

/** All that this file looks at. */
function described(id: number, lastLogBackupLsn: bigint): DatabaseDescription {
  return { id, name: `d${id}`, files: [], lastLogBackupLsn } as unknown as DatabaseDescription;
}

const empty: InstanceState = {
  instanceId: 'i',
  nextTransactionId: 1n,
  databases: [described(5, 50n), described(6, 60n)],
  strayFiles: [],
};

function opened(state: { now: InstanceState }, found = state.now): InstanceFile {
  return new InstanceFile(
    new Disk(place => places.push(place)),
    path(),
    found,
    () => state.now,
    () => undefined,
  );
}

async function lsns(): Promise<readonly (bigint | undefined)[]> {
  const found = await InstanceFile.load(path());
  return (found?.databases ?? []).map(each => each.lastLogBackupLsn);
}

it('appends what changed of databases, and writes all when the list changed', async () => {
  const state = { now: empty };
  const file = opened(state);
  await file.save();
  expect(places).toContain('rename instance.json');
  places = [];
  state.now = { ...empty, nextTransactionId: 9n, databases: [described(5, 50n), described(6, 61n)] };
  await file.save();
  expect(places).toEqual(['half instance.journal', 'write instance.journal', 'sync instance.journal']);
  expect(await InstanceFile.load(path())).toMatchObject({ nextTransactionId: 9n, strayFiles: [] });
  expect(await lsns()).toEqual([50n, 61n]);
  state.now = { ...state.now, strayFiles: ['C:\\x.mdf'] };
  await file.save();
  expect((await stat(journal())).size).toBe(0);
  expect(await InstanceFile.load(path())).toMatchObject({ nextTransactionId: 9n, strayFiles: ['C:\\x.mdf'] });
  expect(await lsns()).toEqual([50n, 61n]);
  await file.close();
});

it('takes a journal up to where a crash tore it, and none of an earlier list', async () => {
  const state = { now: empty };
  const file = opened(state);
  await file.save();
  for (const lsn of [61n, 62n]) {
    state.now = { ...empty, databases: [described(5, 50n), described(6, lsn)] };
    await file.save();
  }
  await file.close();
  const bytes = await readFile(journal());
  await writeFile(journal(), bytes.subarray(0, -1));
  expect(await lsns()).toEqual([50n, 61n]);
  // The next start writes the list anew; what its journal held before counts no more, also when a crash left it there.
  state.now = (await InstanceFile.load(path())) ?? empty;
  const next = opened(state);
  await next.save();
  await next.close();
  await writeFile(journal(), bytes);
  expect(await lsns()).toEqual([50n, 61n]);
});

it('writes the list anew when the journal has grown', async () => {
  const state = { now: empty };
  const file = opened(state);
  let renames = 0;
  for (let lsn = 0n; renames < 2 && lsn < 50n; lsn += 1n) {
    const long = { ...described(6, lsn), ownerSid: 'x'.repeat(100_000) };
    state.now = { ...empty, databases: [described(5, 50n), long] };
    await file.save();
    expect(await lsns()).toEqual([50n, lsn]);
    renames = places.filter(place => place === 'rename instance.json').length;
  }
  expect(renames).toBe(2);
  await file.close();
});
