/** Backups between instances of two versions (sqlserver.md, Version facts, §2.1, §2.3, §4.1). */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  collect,
  createSession,
  engineOptions,
  failureOf,
  startFixture,
  type Fixture,
} from '../engine/engine-fixture.ts';
import { createEngine } from '../engine/engine.ts';
import { startSql } from '../sql/sql-fixture.ts';
import { join } from 'node:path';
import { recoveryOf, share } from './recovery-fixture.ts';
import type { Engine, RestoreStatement, Session } from '../contract.ts';

const move = {
  move: [
    { logicalName: 'App', physicalName: 'D:\\Data\\Copy.mdf' },
    { logicalName: 'App_log', physicalName: 'D:\\Data\\Copy.ldf' },
  ],
};
let source: Fixture;
let other: Engine;
let session: Session;

/** Two instances over one share: App is backed up on a server of `from`, the other one is of `to`. */
async function start(from: number, to: number): Promise<void> {
  source = await startFixture({ majorVersion: from });
  const options = engineOptions(source.folder, { majorVersion: to, serverName: 'TEST\\OTHER' });
  other = await createEngine({ ...options, dataFolder: join(source.folder, 'other') });
  session = createSession(other, 60, 'master');
  await source.engine().createDatabase(source.session(), 'App', undefined);
  await recoveryOf(source).backup('App', 'database', 'full.bak');
}

function restore(recovery: RestoreStatement['recovery']): Promise<readonly number[]> {
  const devices = [{ type: 'disk', path: `${share}\\full.bak` }] as const;
  return failureOf(
    other.restore(session, { kind: 'database', database: 'Copy', devices, recovery, options: move }, collect()),
  );
}

async function header(engine: Engine, reader: Session): Promise<Readonly<Record<string, unknown>>> {
  const sink = collect();
  const devices = [{ type: 'disk', path: `${share}\\full.bak` }] as const;
  await engine.restoreInformation(reader, { kind: 'headeronly', devices, options: {} }, sink);
  return { ...sink.objects()[0], columns: sink.columnSets[0]?.length };
}

describe('a backup of an older version', () => {
  beforeEach(() => start(13, 16));
  afterEach(async () => {
    await other.close();
    await source.end();
  });

  it('is restored, with the version of its server in its header', async () => {
    expect(await header(other, session)).toMatchObject({
      DatabaseVersion: 852n,
      SoftwareVersionMajor: 13n,
      CompatibilityLevel: 130n,
      columns: 59,
    });
    expect(await restore('recovery')).toEqual([]);
    expect(other.database('Copy')?.state).toBe('ONLINE');
  });

  it('cannot become a standby: 3180', async () => {
    expect(await restore({ standby: `${share}\\u` })).toEqual([3180, 3013]);
    expect(await restore('norecovery')).toEqual([]);
  });
});

describe('a backup of a newer version', () => {
  beforeEach(() => start(16, 15));
  afterEach(async () => {
    await other.close();
    await source.end();
  });

  it('is refused by its header: 3169, and read with the columns of the reader', async () => {
    expect(await restore('norecovery')).toEqual([3169, 3013]);
    expect(other.database('Copy')).toBeUndefined();
    expect(await header(other, session)).toMatchObject({ DatabaseVersion: 957n, columns: 56 });
    expect(await header(source.engine(), source.session())).toMatchObject({ columns: 59 });
  });
});

describe('the history of backups', () => {
  it.each([
    [15, false],
    [16, true],
  ])('of version %d tells the last valid time to restore to: %s', async (majorVersion, told) => {
    const fixture = await startFixture({ majorVersion });
    const columns = fixture.engine().database('msdb')?.table('dbo', 'backupset')?.definition.columns ?? [];
    const names = columns.map(column => column.name);
    expect(names.includes('last_valid_restore_time')).toBe(told);
    expect(names.includes('compression_algorithm')).toBe(told);
    await fixture.end();
  });
});

describe('an instance of a version', () => {
  it.each([
    ['SQL1\\BTS', 13, ['13', '13.0.1000.0', 'BTS', null]],
    ['SQL1', 16, ['16', '16.0.4236.2', null, 'told']],
  ] as const)('%s %i tells so, and what it is called', async (serverName, majorVersion, expected) => {
    const sql = await startSql({ serverName, majorVersion });
    const property = (name: string): string => `CONVERT(nvarchar(400), SERVERPROPERTY('${name}'))`;
    const path = `CASE WHEN ${property('InstanceDefaultBackupPath')} IS NOT NULL THEN 'told' END`;
    const names = ['ProductMajorVersion', 'ProductVersion', 'InstanceName'].map(property).join(', ');
    expect(await sql.rows(`SELECT @@SERVERNAME, ${names}, ${path}`)).toEqual([[serverName, ...expected]]);
    await sql.end();
  });
});
