/** Backup files as they are met in practice: appended, damaged, cut off, missing (sqlserver.md §9.1, §2.4). */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { copyFile, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { collect, makeTable, put, startFixture, type Fixture } from '../engine/engine-fixture.ts';
import { RequestAborted } from '../engine/request-aborted.ts';
import { recoveryOf, share, type Recovery } from './recovery-fixture.ts';
import type { RestoreInformationStatement } from '../contract.ts';

let fixture: Fixture;
let recovery: Recovery;

beforeAll(async () => {
  fixture = await startFixture();
  recovery = recoveryOf(fixture);
  const database = await fixture.engine().createDatabase(fixture.session(), 'Src', undefined);
  const session = fixture.session();
  const table = await makeTable(fixture.engine(), session, database);
  for (let id = 1; id <= 3000; id += 1) await put(fixture.engine(), session, table, id, `row ${id}`.repeat(4));
  await recovery.backup('Src', 'database', 'good.bak');
  await recovery.backup('Src', 'database', 'summed.bak', { checksum: true, compression: true });
}, 60_000);
afterAll(() => fixture.end());

function host(file: string): string {
  return join(fixture.folder, 'share', file);
}

async function flipped(from: string, to: string, place: (bytes: Buffer) => number): Promise<void> {
  const bytes = await readFile(host(from));
  const at = place(bytes);
  bytes[at] = (bytes[at] ?? 0) ^ 0x40;
  await writeFile(host(to), bytes);
}

async function look(
  kind: RestoreInformationStatement['kind'],
  file: string,
  checksum = false,
): Promise<readonly number[]> {
  return recovery.refused(
    fixture
      .engine()
      .restoreInformation(
        fixture.session(),
        { kind, devices: [{ type: 'disk', path: `${share}\\${file}` }], options: checksum ? { checksum } : {} },
        collect(),
      ),
  );
}

function restoring(file: string, target = 'T', checksum = false): Promise<readonly number[]> {
  const move = [
    { logicalName: 'Src', physicalName: `D:\\Data\\${target}.mdf` },
    { logicalName: 'Src_log', physicalName: `D:\\Data\\${target}.ldf` },
  ];
  const options = { move, replace: true, ...(checksum ? { checksum } : {}) };
  return recovery.refused(recovery.restore({ kind: 'database', database: target, from: file, options }));
}

describe('a device', () => {
  it('that does not exist is 3201 with OS error 2, outside the mapped folders 3', async () => {
    const messages = async (path: string): Promise<string> => {
      const statement = { kind: 'headeronly', devices: [{ type: 'disk', path }], options: {} } as const;
      const failure = await fixture
        .engine()
        .restoreInformation(fixture.session(), statement, collect())
        .catch((caught: unknown) => caught);
      return String(failure);
    };
    expect(await messages(`${share}\\nothing.bak`)).toContain('Operating system error 2(');
    expect(await messages('E:\\nowhere\\nothing.bak')).toContain('Operating system error 3(');
    expect(await look('headeronly', 'nothing.bak')).toEqual([3201, 3013]);
  });

  it('that is empty is 3254, and text is 3241', async () => {
    await writeFile(host('empty.bak'), '');
    await writeFile(host('text.bak'), 'this is no backup at all');
    expect(await look('headeronly', 'empty.bak')).toEqual([3254, 3013]);
    expect(await look('headeronly', 'text.bak')).toEqual([3241, 3013]);
  });

  it('cut inside a frame is 3203, cut between frames 3256', async () => {
    await copyFile(host('good.bak'), host('cut.bak'));
    const { length } = await readFile(host('good.bak'));
    await truncate(host('cut.bak'), Math.floor(length / 2));
    expect(await look('headeronly', 'cut.bak')).toEqual([3203, 3013]);
    expect(await restoring('cut.bak')).toEqual([3203, 3013]);
  });
});

describe('rotten content', () => {
  const middle = (bytes: Buffer): number => Math.floor(bytes.length / 2);

  it('without checksums shows only when it is restored, and leaves a database that needs a new full', async () => {
    await flipped('good.bak', 'rotten.bak', middle);
    expect(await look('headeronly', 'rotten.bak')).toEqual([]);
    expect(await look('verifyonly', 'rotten.bak')).toEqual([]);
    expect(await look('verifyonly', 'rotten.bak', true)).toEqual([3187, 3013]);
    expect(await restoring('rotten.bak', 'Rotten')).toEqual([3203, 3013]);
    expect(fixture.engine().database('Rotten')?.state).toBe('RESTORING');
    expect(
      await recovery.refused(recovery.restore({ kind: 'database', database: 'Rotten', recovery: 'recovery' })),
    ).toEqual([4333, 3013]);
    expect(await restoring('good.bak', 'Rotten')).toEqual([]);
  });

  it('with checksums is found by VERIFYONLY and by RESTORE as 3183', async () => {
    expect(await look('verifyonly', 'summed.bak', true)).toEqual([]);
    await flipped('summed.bak', 'rotten.bak', middle);
    expect(await look('verifyonly', 'rotten.bak')).toEqual([3183, 3013]);
    expect(await restoring('rotten.bak', 'Rotten2', true)).toEqual([3183, 3013]);
  });
});

describe('several sets in one file', () => {
  it('are appended without INIT and chosen by FILE; the first is the default', async () => {
    await recovery.backup('Src', 'log', 'many.bak', { name: 'first' });
    await recovery.backup('Src', 'log', 'many.bak', { name: 'second' });
    expect((await recovery.headers('many.bak')).map(header => [header['Position'], header['BackupName']])).toEqual([
      [1n, 'first'],
      [2n, 'second'],
    ]);
    const sink = await recovery.backup('Src', 'log', 'many.bak', { name: 'third', init: true });
    expect(sink.messages.at(0)?.text).toContain('on file 1');
    expect(await recovery.headers('many.bak')).toHaveLength(1);
  });

  it('beyond the last is 3287', async () => {
    const statement = {
      kind: 'filelistonly',
      devices: [{ type: 'disk', path: `${share}\\good.bak` }],
      options: { file: 2 },
    } as const;
    expect(
      await recovery.refused(fixture.engine().restoreInformation(fixture.session(), statement, collect())),
    ).toEqual([3287, 3013]);
  });
});

describe('a running backup', () => {
  it('reports progress as it goes, ending with 100', async () => {
    const flushedAt: number[] = [];
    const sink = collect(() => {
      const last = sink.messages.at(-1);
      if (last?.number === 3211) flushedAt.push(Number(last.text.split(' ')[0]));
      return Promise.resolve();
    });
    await fixture.engine().backup(
      fixture.session(),
      {
        kind: 'database',
        database: 'Src',
        devices: [{ type: 'disk', path: `${share}\\slow.bak` }],
        options: { stats: 10, copyOnly: true },
      },
      sink,
    );
    expect(flushedAt.length).toBeGreaterThan(3);
    expect(flushedAt.at(-1)).toBe(100);
    expect([...flushedAt].sort((a, b) => a - b)).toEqual(flushedAt);
    expect(sink.messages.filter(message => message.number !== 3211).map(message => message.number)).toEqual([
      4035, 4035, 3014,
    ]);
  });

  it('that is cancelled leaves a partial file, and a second backup at that time is 3023', async () => {
    const session = fixture.session();
    let second: readonly number[] = [];
    const sink = collect(async () => {
      second = await recovery.refused(recovery.backup('Src', 'database', 'other.bak'));
      session.abort('attention');
    });
    const work = fixture.engine().backup(
      session,
      {
        kind: 'database',
        database: 'Src',
        devices: [{ type: 'disk', path: `${share}\\partial.bak` }],
        options: { stats: 1, copyOnly: true },
      },
      sink,
    );
    await expect(work).rejects.toBeInstanceOf(RequestAborted);
    expect(second).toEqual([3023, 3013]);
    expect(await look('headeronly', 'partial.bak')).toEqual([3256, 3013]);
    await rm(host('partial.bak'));
    expect(await recovery.refused(recovery.backup('Src', 'database', 'partial.bak'))).toEqual([]);
  });

  it('holds its file: reading it meanwhile is a sharing violation', async () => {
    let meanwhile: unknown;
    const sink = collect(async () => {
      meanwhile ??= await look('headeronly', 'held.bak');
    });
    await fixture.engine().backup(
      fixture.session(),
      {
        kind: 'database',
        database: 'Src',
        devices: [{ type: 'disk', path: `${share}\\held.bak` }],
        options: { stats: 1, copyOnly: true },
      },
      sink,
    );
    expect(meanwhile).toEqual([3201, 3013]);
  });
});

describe('history', () => {
  it('has a row per set with the header’s identity and place', async () => {
    const header = await recovery.header('good.bak');
    const sets = await recovery.values('msdb', 'backupset');
    const table = recovery.table('msdb', 'backupset');
    const column = (name: string): number => table.definition.columns.findIndex(each => each.name === name);
    const row = sets.find(each => each[column('backup_set_uuid')] === header['BackupSetGUID']);
    expect(row?.[column('type')]).toBe('D');
    expect(row?.[column('server_name')]).toBe('TEST\\ONE');
    const family = (await recovery.values('msdb', 'backupmediafamily')).find(
      each => each[0] === row?.[column('media_set_id')],
    );
    expect(family).toContain(`${share}\\good.bak`);
  });

  it('never repeats a backup_set_id, not even after a restart', async () => {
    const before = await recovery.values('msdb', 'backupset');
    await fixture.restart();
    await recovery.backup('Src', 'log', 'after.bak');
    const after = await recovery.values('msdb', 'backupset');
    const last = after.at(-1)?.[0];
    expect(after).toHaveLength(before.length + 1);
    expect(before.map(row => row[0])).not.toContain(last);
  });
});
