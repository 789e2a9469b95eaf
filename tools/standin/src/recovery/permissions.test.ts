/** What a login without server roles is told (sqlserver.md §1.4, §2.4, §7.1, §8.4). */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createSession, login, type TestSession } from '../engine/engine-fixture.ts';
import { startSql, type SqlFixture } from '../sql/sql-fixture.ts';

const device = "DISK = '\\\\share\\bts\\a.bak'";
let sql: SqlFixture;

beforeAll(async () => {
  sql = await startSql();
  await sql.rows(`CREATE DATABASE A; BACKUP DATABASE A TO ${device}; ALTER DATABASE A SET RESTRICTED_USER`);
});
afterAll(() => sql.end());

/** Each session has a number of its own. */
let spid = 200;
function sessionWith(...roles: readonly string[]): TestSession {
  spid += 1;
  return Object.assign(createSession(sql.engine.engine(), spid, 'master'), {
    login: { ...login(), name: 'poor', sid: Uint8Array.of(9), serverRoles: new Set(roles) },
  });
}

describe('a login without server roles', () => {
  it.each([
    ['USE A', [916]],
    ['CREATE TABLE A.dbo.t (id int)', [916]],
    [`BACKUP DATABASE A TO ${device}`, [262, 3013]],
    [`RESTORE DATABASE A FROM ${device} WITH REPLACE`, [3110, 3013]],
    [`RESTORE DATABASE A WITH RECOVERY`, [3110, 3013]],
    [`RESTORE HEADERONLY FROM ${device}`, [262, 3013]],
    [`RESTORE VERIFYONLY FROM ${device}`, [262, 3013]],
    ['ALTER DATABASE A SET MULTI_USER', [5011, 5069]],
    ['ALTER DATABASE A SET RECOVERY SIMPLE', [5011, 5069]],
    ['ALTER DATABASE A SET OFFLINE WITH ROLLBACK IMMEDIATE', [5011, 5069]],
    ['DROP DATABASE A', [3701]],
    ['DROP DATABASE IF EXISTS A', [3701]],
    ['KILL 52', [6102]],
  ])('%s is %j', async (statement, numbers) => {
    expect(await sql.errors(statement, sessionWith())).toEqual(numbers);
  });

  it('is told who it is, and where it may not go', async () => {
    const { errors } = await sql.run('USE A', sessionWith());
    expect(errors[0]?.text).toContain('"poor" is not able to access the database "A"');
  });
});

describe('dbcreator', () => {
  it('may back up and restore, but not kill', async () => {
    const session = sessionWith('dbcreator');
    expect(await sql.errors(`BACKUP DATABASE A TO ${device}`, session)).toEqual([]);
    expect(await sql.errors(`RESTORE VERIFYONLY FROM ${device}`, session)).toEqual([]);
    expect(await sql.errors('KILL 52', session)).toEqual([6102]);
    expect(await sql.errors('KILL 52', sessionWith('processadmin'))).toEqual([6106]);
  });

  it('may change and drop what others made', async () => {
    await sql.rows('CREATE DATABASE Others');
    expect(await sql.errors('ALTER DATABASE Others SET RECOVERY SIMPLE', sessionWith('dbcreator'))).toEqual([]);
    expect(await sql.errors('DROP DATABASE Others', sessionWith('dbcreator'))).toEqual([]);
  });
});

describe('the owner of a database', () => {
  it('needs no server role for what is done with it, and has nothing of others', async () => {
    expect(await sql.errors('CREATE DATABASE Own', sessionWith('dbcreator'))).toEqual([]);
    const statements = [
      "BACKUP DATABASE Own TO DISK = '\\\\share\\bts\\own.bak'",
      'ALTER DATABASE Own SET OFFLINE',
      'ALTER DATABASE Own SET ONLINE',
      "RESTORE DATABASE Own FROM DISK = '\\\\share\\bts\\own.bak' WITH REPLACE",
    ];
    for (const statement of statements) expect(await sql.errors(statement, sessionWith())).toEqual([]);
    expect(await sql.errors(`RESTORE DATABASE Own FROM ${device} WITH REPLACE`, sessionWith())).not.toContain(3110);
    expect(await sql.errors('DROP DATABASE Own', sessionWith())).toEqual([]);
    // It is a new one now, which only who may create databases can make.
    expect(await sql.errors("RESTORE DATABASE Own FROM DISK = '\\\\share\\bts\\own.bak'", sessionWith())).toEqual([
      3110, 3013,
    ]);
  });
});
