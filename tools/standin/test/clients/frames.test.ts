import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import mssql from 'mssql';
import { password, startInstance, type Instance } from './instance.ts';
import { describeWith } from './packages.ts';
import { startPythonClient } from './python-client.ts';
import { startRecorder, writeCapture, type Piece, type Recorder } from './recorder.ts';
import { tsql } from './tsql.ts';
import { judge } from './wireshark.ts';

/** Every kind of token and type that a client can be sent in clear. */
const statements = [
  'SELECT @@VERSION AS v, @@SERVERNAME AS s',
  `SELECT CAST(1 AS bit) a, CAST(2 AS tinyint) b, CAST(3 AS smallint) c, CAST(4 AS int) d, CAST(5 AS bigint) e,
    CAST(1.5 AS real) f, CAST(1.5 AS float) g, CAST(1.5 AS decimal(5,1)) h, CAST(1.5 AS decimal(38,10)) i, CAST(1.5 AS money) j,
    CAST('2026-01-01' AS datetime) k, CAST('2026-01-01' AS datetime2(3)) l, CAST('2026-01-01' AS date) m, CAST('10:00' AS time(7)) n,
    CAST('2026-01-01 00:00 +01:00' AS datetimeoffset(7)) o, CAST('x' AS char(3)) p, CAST('x' AS varchar(3)) q, CAST(N'λ' AS nchar(3)) r,
    CAST(N'λ' AS nvarchar(max)) s, CAST('x' AS varchar(max)) t, 0x01 u, CAST(0x01 AS binary(3)) v, CAST(0x01 AS varbinary(max)) w,
    NEWID() x`,
  'SELECT CAST(NULL AS bit) a, CAST(NULL AS bigint) b, CAST(NULL AS float) c, CAST(NULL AS decimal(38,2)) d, CAST(NULL AS money) e, CAST(NULL AS datetime) f, CAST(NULL AS datetimeoffset) g, CAST(NULL AS nvarchar(max)) h, CAST(NULL AS varbinary(max)) i, CAST(NULL AS uniqueidentifier) j, 1 k',
  "SELECT REPLICATE(CAST(N'λ' AS nvarchar(max)), 20000) AS long, name FROM sys.databases",
  "PRINT N'said'; RAISERROR(N'wrong', 16, 2); SELECT 1 AS a WHERE 1 = 0",
  'SELECT 1/0',
  'USE msdb',
  'BEGIN TRAN; SAVE TRAN s; COMMIT',
  "BACKUP DATABASE msdb TO DISK = N'D:\\Backup\\msdb.bak' WITH INIT, STATS = 20",
  "RESTORE HEADERONLY FROM DISK = N'D:\\Backup\\msdb.bak'",
  "RESTORE FILELISTONLY FROM DISK = N'D:\\Backup\\msdb.bak'",
  "RESTORE VERIFYONLY FROM DISK = N'D:\\Backup\\msdb.bak'",
  'SELECT * FROM sys.databases',
  'SELECT * FROM msdb.dbo.backupset',
];

async function throughTheDriver(port: number): Promise<void> {
  const options = { encrypt: false, trustServerCertificate: true };
  const pool = await new mssql.ConnectionPool({ server: '127.0.0.1', port, user: 'sa', password, options }).connect();
  const settled = async (work: Promise<unknown>): Promise<void> => {
    await work.catch(() => undefined);
  };
  for (const statement of statements) {
    await settled(pool.request().batch(statement));
    await settled(pool.request().query(statement));
  }
  const request = pool
    .request()
    .input('a', mssql.Int, 20)
    .output('b', mssql.NVarChar(mssql.MAX))
    .output('c', mssql.BigInt);
  await settled(request.query("SET @b = N'out'; SET @c = @a"));
  const transaction = new mssql.Transaction(pool);
  await transaction.begin();
  await transaction.rollback();
  const held = pool.request();
  const cancelled = settled(held.batch("WAITFOR DELAY '00:00:30'"));
  held.cancel();
  await cancelled;
  await pool.close();
}

/** Wireshark 4.0 takes the length of an SSPI token for characters; the three clients that log in with it count bytes. */
function asWiresharkCounts({ from, bytes }: Piece): Piece {
  if (from === 'client' || bytes[8] !== 0xed) return { from, bytes };
  const halved = Buffer.from(bytes);
  halved.writeUInt16LE(bytes.readUInt16LE(9) / 2, 9);
  return { from, bytes: halved };
}

describeWith(['tshark', 'tsql', 'pymssql', 'pytds'], 'tshark', (_tshark, _tsql, pymssql, pytds) => {
  let instance: Instance;
  let recorder: Recorder;
  const capture = (name: string, conversations: readonly (readonly Piece[])[]): string => {
    const file = join(instance.scratch, name);
    writeCapture(file, conversations);
    return file;
  };

  beforeAll(async () => {
    instance = await startInstance([{ name: 'CONTOSO\\svc', roles: [], windows: true }]);
    recorder = await startRecorder(instance.port);
    await throughTheDriver(recorder.port);
    await tsql({ ...instance, port: recorder.port }, statements);
    await tsql({ ...instance, port: recorder.port, encryption: 'require' }, statements);
    await tsql({ ...instance, port: recorder.port, user: 'CONTOSO\\svc' }, ['SELECT 1']);
    await tsql({ ...instance, port: recorder.port, user: 'CONTOSO\\svc', password: 'no' }, []);
    await tsql({ ...instance, port: recorder.port, password: 'no' }, []);
    await tsql({ ...instance, port: recorder.port, version: '7.1' }, []);
    for (const [client, python] of [
      ['pymssql', pymssql],
      ['pytds', pytds],
    ] as const) {
      const own = startPythonClient(python, client);
      await own.ask({ op: 'connect', as: 'c', port: recorder.port, user: 'sa', password, autocommit: false });
      for (const sql of statements) await own.ask({ op: 'run', on: 'c', sql });
      await own.ask({
        op: 'run',
        on: 'c',
        sql: 'SELECT %s, %s',
        parameters: [{ text: 'λ', repeat: 9000 }, { decimal: '1.50' }],
      });
      await own.end();
    }
  });

  afterAll(async () => {
    await recorder.close();
    expect(await instance.stop()).toBe(0);
  });

  it('finds no malformed frame in what the server sent to four clients', async () => {
    const read = recorder.conversations.map(pieces => pieces.map(asWiresharkCounts));
    const { tds, malformed } = await judge(capture('all.pcap', read));
    expect(malformed).toEqual([]);
    expect(tds).toBeGreaterThan(statements.length * 4);
  });

  it('would find one: more columns announced than sent, a token cut off in a whole packet', async () => {
    const hasColumns = ({ from, bytes }: Piece): boolean => from === 'server' && bytes[8] === 0x81;
    // In clear: the driver's, the first of which only tried the way.
    const driver = recorder.conversations.find(pieces => pieces.some(hasColumns)) ?? [];
    const at = driver.findIndex(hasColumns);
    expect(at).toBeGreaterThan(0);
    const spoilt = (change: (bytes: Buffer) => Buffer): Piece[] =>
      driver.map((piece, place) => ({
        from: piece.from,
        bytes: place === at ? change(Buffer.from(piece.bytes)) : piece.bytes,
      }));
    const moreColumns = spoilt(bytes => {
      bytes.writeUInt16LE(200, 9);
      return bytes;
    });
    const cutToken = spoilt(bytes => {
      bytes.writeUInt16BE(bytes.length - 4, 2);
      return bytes.subarray(0, -4);
    });
    for (const [name, pieces] of [
      ['columns.pcap', moreColumns],
      ['cut.pcap', cutToken],
    ] as const) {
      const { malformed } = await judge(capture(name, [pieces]));
      expect([name, malformed.length]).toEqual([name, 1]);
    }
  });
});
