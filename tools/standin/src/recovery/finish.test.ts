/** The last step of a restore sequence, where it cannot be taken (sqlserver.md §2.3, §3.5, §9.2). */
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createSession, engineOptions } from '../engine/engine-fixture.ts';
import { createEngine } from '../engine/engine.ts';
import { faultsWith } from '../faults/fault-switches.ts';
import { createExecutor } from '../sql/executor.ts';
import { createRegistry } from '../catalogue/catalogue-registry.ts';
import { recordingSink, startSql, type SqlFixture } from '../sql/sql-fixture.ts';

const on = (file: string): string => `DISK = '\\\\share\\bts\\${file}'`;
const move = "MOVE 'A' TO 'D:\\Data\\B.mdf', MOVE 'A_log' TO 'D:\\Data\\B.ldf'";
let sql: SqlFixture;

afterEach(() => sql.end());

describe('STANDBY of a database of an older version', () => {
  it('is 3180 without FROM, too, also after a restart; RECOVERY upgrades it', async () => {
    sql = await startSql({ majorVersion: 15 });
    const insert = 'INSERT A.dbo.t VALUES (1)';
    await sql.rows(`CREATE DATABASE A; CREATE TABLE A.dbo.t (id int); BACKUP DATABASE A TO ${on('a.bak')}; ${insert}`);
    await sql.rows(`BACKUP DATABASE A TO ${on('d.bak')} WITH DIFFERENTIAL`);
    const options = engineOptions(sql.engine.folder, { majorVersion: 16, serverName: 'TEST\\OTHER' });
    const start = { ...options, dataFolder: join(sql.engine.folder, 'other') };
    let other = await createEngine(start);
    const errors = async (text: string): Promise<number[]> => {
      const { sink, answer } = recordingSink();
      const executor = createExecutor(other, createRegistry(), { write: () => undefined });
      await executor.batch(createSession(other, 60, 'master'), text, sink);
      return answer.errors.map(each => each.number);
    };
    const standby = `RESTORE DATABASE B WITH STANDBY = '\\\\share\\bts\\B.undo'`;
    try {
      expect(await errors(`RESTORE DATABASE B FROM ${on('a.bak')} WITH NORECOVERY, ${move}`)).toEqual([]);
      expect(await errors(standby)).toEqual([3180, 3013]);
      expect(await errors(`RESTORE DATABASE B FROM ${on('d.bak')} WITH NORECOVERY`)).toEqual([]);
      await other.close();
      other = await createEngine(start);
      expect(await errors(standby)).toEqual([3180, 3013]);
      expect(other.database('B')?.state).toBe('RESTORING');
      expect(await errors('RESTORE DATABASE B WITH RECOVERY')).toEqual([]);
      expect(await errors(`BACKUP LOG B TO ${on('tail.bak')} WITH NORECOVERY`)).toEqual([]);
      expect(await errors(standby)).toEqual([]);
    } finally {
      await other.close();
    }
  });
});

describe('a database whose recovery left a transaction in doubt', () => {
  const suspect = async (): Promise<string | undefined> => {
    const faults = faultsWith({ name: 'unresolved-outcome', parameters: { times: 1 } });
    sql = await startSql({ faults });
    await sql.rows(`CREATE DATABASE A; BACKUP DATABASE A TO ${on('a.bak')}; CREATE TABLE A.dbo.t (id int);
      BACKUP DATABASE A TO ${on('d.bak')} WITH DIFFERENTIAL; BACKUP LOG A TO ${on('l.bak')}`);
    await sql.rows(`RESTORE DATABASE A FROM ${on('a.bak')} WITH REPLACE, NORECOVERY`);
    expect(await sql.errors('RESTORE DATABASE A WITH RECOVERY')).toEqual([3437, 3431, 3414, 3013]);
    return sql.engine.engine().database('A')?.state;
  };

  it.each([
    `RESTORE LOG A FROM ${on('l.bak')} WITH NORECOVERY`,
    `RESTORE DATABASE A FROM ${on('d.bak')} WITH NORECOVERY`,
    'RESTORE DATABASE A WITH RECOVERY',
    'RESTORE DATABASE A WITH NORECOVERY',
  ])('is 926: %s', async statement => {
    expect(await suspect()).toBe('SUSPECT');
    expect(await sql.errors(statement)).toEqual([926, 3013]);
    expect(sql.engine.engine().database('A')?.state).toBe('SUSPECT');
    await sql.engine.restart();
    expect(sql.engine.engine().database('A')?.state).toBe('SUSPECT');
  });

  it('begins anew with a full', async () => {
    expect(await suspect()).toBe('SUSPECT');
    expect(await sql.errors(`RESTORE DATABASE A FROM ${on('a.bak')} WITH NORECOVERY`)).toEqual([]);
    expect(await sql.errors(`RESTORE LOG A FROM ${on('l.bak')} WITH RECOVERY`)).toEqual([]);
    expect(await sql.rows('SELECT COUNT(*) FROM A.dbo.t')).toEqual([[0]]);
  });
});
