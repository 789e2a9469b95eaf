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
    login: { ...login(), name: 'poor', serverRoles: new Set(roles) },
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
});
