import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import mssql from 'mssql';
import type { Executor, ResultSink, RpcParameter, Session } from '../src/contract.ts';
import { packet, packetType } from '../src/protocol/packets.ts';
import { driverConfig, startTinyServer, until } from './tiny-server.ts';

type Tiny = Awaited<ReturnType<typeof startTinyServer>>;

const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function start(executor: Partial<Executor>, loginTimeoutMs?: number): Promise<Tiny> {
  const tiny = await startTinyServer({ ...quiet, ...executor }, loginTimeoutMs);
  closers.push(() => tiny.server.close());
  return tiny;
}

async function connectTo(tiny: Tiny, change: object = {}): Promise<mssql.ConnectionPool> {
  const pool = new mssql.ConnectionPool({ ...driverConfig(tiny.port), ...change });
  closers.push(() => pool.close());
  return pool.connect();
}

/** The socket below a pool of one connection, to look at bytes or to break it. */
async function socketOf(pool: mssql.ConnectionPool): Promise<Socket> {
  type TediousConnection = { readonly messageIo: { readonly socket: Socket } };
  type Inner = { acquire(owner: object): Promise<TediousConnection>; release(connection: TediousConnection): void };
  const inner = pool as unknown as Inner;
  const connection = await inner.acquire({});
  inner.release(connection);
  return connection.messageIo.socket;
}

const select = 193;

/** Answers the driver's SET batch and its validation query; parameters after the first two come back as one row. */
const quiet: Executor = {
  batch: async () => undefined,
  call: async (_session, _procedure, parameters, sink) => {
    echo(parameters.slice(2), sink);
    return { status: 0, outputs: [] };
  },
  transactionManager: async () => undefined,
};

function echo(parameters: readonly RpcParameter[], sink: ResultSink): void {
  sink.columns(parameters.map(({ name, value }) => ({ name: name.slice(1), type: value.type, nullable: true })));
  sink.row(parameters.map(parameter => parameter.value.value));
  sink.done({ command: select, rowCount: 1n });
}

describe('types', () => {
  const now = new Date('2026-02-28T23:59:59.997Z');
  const cases: [string, mssql.ISqlType | (() => mssql.ISqlType), unknown][] = [
    ['bit', mssql.Bit, true],
    ['tinyint', mssql.TinyInt, 255],
    ['smallint', mssql.SmallInt, -32768],
    ['int', mssql.Int, -2147483648],
    ['bigint', mssql.BigInt, '-9223372036854775808'],
    ['real', mssql.Real, 1.5],
    ['float', mssql.Float, -1e300],
    ['decimal', mssql.Decimal(18, 4), -12345.6789],
    ['money', mssql.Money, -922337.2036],
    ['varchar', mssql.VarChar(20), 'Köln €'],
    ['nvarchar', mssql.NVarChar(20), 'λ 𝒳 ok'],
    ['empty nvarchar', mssql.NVarChar(20), ''],
    ['char', mssql.Char(5), 'ab   '],
    ['nchar', mssql.NChar(3), 'ab '],
    ['varchar(max)', mssql.VarChar(mssql.MAX), 'x'.repeat(100_000)],
    ['nvarchar(max)', mssql.NVarChar(mssql.MAX), 'λ'.repeat(70_000)],
    ['varbinary', mssql.VarBinary(4), Buffer.from([0, 1, 254, 255])],
    ['varbinary(max)', mssql.VarBinary(mssql.MAX), Buffer.alloc(50_000, 7)],
    ['binary', mssql.Binary, Buffer.from([1, 2, 3])],
    ['text', mssql.Text, 'grüße'],
    ['ntext', mssql.NText, 'λόγος'],
    ['image', mssql.Image, Buffer.from([9, 8, 7])],
    ['uniqueidentifier', mssql.UniqueIdentifier, '6F9619FF-8B86-D011-B42D-00C04FC964FF'],
    ['date', mssql.Date, new Date('2026-02-28T00:00:00Z')],
    ['time', mssql.Time(3), new Date('1970-01-01T23:59:59.997Z')],
    ['datetime', mssql.DateTime, now],
    ['datetime before 1900', mssql.DateTime, new Date('1753-01-01T00:00:00Z')],
    ['datetime2', mssql.DateTime2(7), now],
    ['datetimeoffset', mssql.DateTimeOffset(7), now],
  ];

  it('come back as they were sent', async () => {
    const pool = await connectTo(await start({}));
    for (const [name, type, value] of cases) {
      const { recordset } = await pool.request().input('p', type, value).query('echo');
      const row = recordset[0] as { p: unknown };
      expect([name, row.p]).toEqual([name, value]);
    }
  });

  it('carry NULL', async () => {
    const pool = await connectTo(await start({}));
    for (const [name, type] of cases) {
      const { recordset } = await pool.request().input('p', type, null).input('q', mssql.Int, 1).query('echo');
      expect([name, recordset[0]]).toEqual([name, { p: null, q: 1 }]);
    }
  });

  it('keep every digit of a decimal on the wire', async () => {
    const lsn = 9_999_999_999_999_999_999_999_999n;
    const frames: Buffer[] = [];
    const tiny = await start({
      batch: async (_session, text, sink) => {
        if (text !== 'lsn') return;
        const type = { name: 'decimal', precision: 25, scale: 0 } as const;
        sink.columns([{ name: 'lsn', type, nullable: false }]);
        sink.row([{ kind: 'decimal', unscaled: lsn, scale: 0 }]);
        sink.done({ command: select, rowCount: 1n });
      },
    });
    const pool = await connectTo(tiny);
    // The driver turns decimals into numbers (tech/standin.md), so the bytes themselves are looked at.
    (await socketOf(pool)).on('data', chunk => void frames.push(chunk));
    await pool.request().batch('lsn');
    const wanted = Buffer.alloc(12);
    for (let at = 0, rest = lsn; at < 12; at++, rest >>= 8n) wanted[at] = Number(rest & 0xffn);
    expect(Buffer.concat(frames).includes(Buffer.concat([Buffer.from([13, 1]), wanted]))).toBe(true);
  });
});

describe('login', () => {
  it('refuses a wrong password with 18456 and an unknown database with 4060 before it', async () => {
    const tiny = await start({});
    const wrong = await connectTo(tiny, { password: 'no' }).catch((error: unknown) => error);
    expect(wrong).toMatchObject({ code: 'ELOGIN', message: "Login failed for user 'sa'." });
    const absent = await connectTo(tiny, { database: 'nowhere' }).catch((error: unknown) => error);
    expect(absent).toMatchObject({ code: 'ELOGIN' });
    expect(tiny.attached.size).toBe(0);
  });

  it('refuses TDS 7.1 in words', async () => {
    const tiny = await start({});
    const refused = await connectTo(tiny, { options: { encrypt: false, tdsVersion: '7_1' } }).catch(
      (error: unknown) => error,
    );
    expect(refused).toMatchObject({ message: 'STANDIN-UNSUPPORTED: TDS version 0x71000001' });
  });

  it('drops who does not log in', async () => {
    const tiny = await start({}, 50);
    const socket = connect(tiny.port, '127.0.0.1');
    await new Promise(resolve => socket.on('close', resolve).resume());
  });

  it('drops who sends what is not TDS', async () => {
    const tiny = await start({});
    const socket = connect(tiny.port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\n\r\n'));
    await new Promise(resolve => socket.on('close', resolve).resume());
    expect(tiny.reported).toEqual([]);
  });

  it('drops a second login on one connection and forgets its session', async () => {
    const tiny = await start({});
    const pool = await connectTo(tiny);
    const socket = await socketOf(pool);
    const closed = new Promise(resolve => socket.on('close', resolve));
    socket.write(packet(Buffer.alloc(94), 1, 0, true, packetType.login7));
    await closed;
    await until(() => tiny.attached.size === 0);
    expect(tiny.reported).toEqual([]);
  });
});

describe('answers', () => {
  it('carry messages as class 0, errors in order, and several results', async () => {
    const tiny = await start({
      batch: async (_session, text, sink) => {
        if (text !== 'go') return;
        sink.info({ number: 3211, severity: 10, state: 1, text: '10 percent processed.' });
        sink.columns([{ name: 'a', type: { name: 'int' }, nullable: false }]);
        sink.row([1n]);
        sink.done({ command: select, rowCount: 1n });
        sink.columns([{ name: 'b', type: { name: 'int' }, nullable: true }]);
        sink.row([null]);
        sink.row([2n]);
        sink.done({ command: select, rowCount: 2n });
      },
    });
    const pool = await connectTo(tiny);
    const infos: unknown[] = [];
    const request = pool.request();
    request.on('info', (info: object) => void infos.push(info));
    const result = await request.batch('go');
    expect(infos).toMatchObject([
      { number: 3211, class: 0, message: '10 percent processed.', serverName: 'TINY\\ONE' },
    ]);
    expect(result.recordsets).toEqual([[{ a: 1 }], [{ b: null }, { b: 2 }]]);
    expect(result.rowsAffected).toEqual([1, 2]);
  });

  it('send the root cause before 3013', async () => {
    const tiny = await start({
      call: async (_session, _procedure, _parameters, sink) => {
        sink.error({ number: 911, severity: 16, state: 11, text: 'first', line: 3 });
        sink.error({ number: 3013, severity: 16, state: 1, text: 'last', line: 3 });
        sink.done({ command: 228, failed: true });
        return { status: 3013, outputs: [] };
      },
    });
    const pool = new mssql.ConnectionPool({ ...driverConfig(tiny.port), validateConnection: false });
    closers.push(() => pool.close());
    await pool.connect().catch(() => undefined);
    const error = await pool
      .request()
      .query('x')
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      number: 3013,
      precedingErrors: [{ number: 911, state: 11, class: 16, lineNumber: 3 }],
    });
  });

  it('return status and outputs of a procedure', async () => {
    const seen: unknown[] = [];
    const tiny = await start({
      call: async (_session, procedure, parameters) => {
        if (procedure !== 'dbo.p') return { status: 0, outputs: [] };
        seen.push(...parameters);
        return {
          status: -4,
          outputs: [{ ordinal: 1, name: '@out', value: { type: { name: 'nvarchar', length: 10 }, value: 'done' } }],
        };
      },
    });
    const pool = await connectTo(tiny);
    const result = await pool.request().input('in', mssql.Int, 5).output('out', mssql.NVarChar(10)).execute('dbo.p');
    expect(result).toMatchObject({ returnValue: -4, output: { out: 'done' } });
    expect(seen).toMatchObject([
      { name: '@in', output: false, value: { value: 5n } },
      { name: '@out', output: true, value: { value: null } },
    ]);
  });

  it('stream: a message is seen while the statement still runs', async () => {
    let goOn = (): void => undefined;
    const held = new Promise<void>(resolve => (goOn = resolve));
    const tiny = await start({
      batch: async (_session, text, sink) => {
        if (text !== 'slow') return;
        sink.info({ number: 3211, severity: 10, state: 1, text: '5 percent processed.' });
        await sink.flush();
        await held;
        sink.done({ command: 228 });
      },
    });
    const request = (await connectTo(tiny)).request();
    const seen = new Promise(resolve => request.on('info', resolve));
    const finished = request.batch('slow');
    expect(await seen).toMatchObject({ number: 3211 });
    goOn();
    await finished;
  });

  it('hold 200,000 rows without losing one', async () => {
    const tiny = await start({
      batch: async (_session, text, sink) => {
        if (text !== 'many') return;
        sink.columns([
          { name: 'n', type: { name: 'int' }, nullable: false },
          { name: 't', type: { name: 'nvarchar', length: 20 }, nullable: true },
        ]);
        for (let n = 0n; n < 200_000n; n++) {
          sink.row([n, n % 3n === 0n ? null : `row ${n}`]);
          if (n % 1000n === 0n) await sink.flush();
        }
        sink.done({ command: select, rowCount: 200_000n });
      },
    });
    const { recordset } = await (await connectTo(tiny)).request().batch('many');
    expect(recordset.length).toBe(200_000);
    expect(
      recordset.every(
        (row: { n: number; t: string | null }, at: number) =>
          row.n === at && row.t === (at % 3 === 0 ? null : `row ${at}`),
      ),
    ).toBe(true);
  });

  it('never hold half a row: a value of the wrong type ends the connection with an error', async () => {
    const tiny = await start({
      batch: async (_session, text, sink) => {
        if (text !== 'broken') return;
        sink.columns([{ name: 'n', type: { name: 'int' }, nullable: false }]);
        sink.row(['not a number']);
      },
    });
    const error = await (
      await connectTo(tiny)
    )
      .request()
      .batch('broken')
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ message: expect.stringMatching(/STANDIN-BROKEN: a string is no value of type int/) });
    expect(tiny.reported.length).toBe(1);
  });
});

describe('a request cut short', () => {
  const waitForAbort = (session: Session): Promise<void> =>
    new Promise(resolve => {
      if (session.signal.aborted) resolve();
      else session.signal.addEventListener('abort', () => resolve());
    });

  it('by cancel leaves the connection usable', async () => {
    const reasons: unknown[] = [];
    const tiny = await start({
      call: async (session, _procedure, parameters, sink) => {
        if (parameters[0]?.value.value === 'wait') {
          await waitForAbort(session);
          reasons.push(session.signal.reason);
          return { status: 0, outputs: [] };
        }
        echo([{ name: '@spid', output: false, value: { type: { name: 'int' }, value: BigInt(session.spid) } }], sink);
        return { status: 0, outputs: [] };
      },
    });
    const pool = await connectTo(tiny);
    const before = await pool.request().query('spid');
    for (let round = 0; round < 3; round++) {
      const request = pool.request();
      const finished = request.query('wait').catch((thrown: unknown) => thrown);
      await until(() => [...tiny.attached].some(session => session.request?.text === 'sp_executesql'));
      request.cancel();
      expect(await finished).toMatchObject({ code: 'ECANCEL' });
    }
    expect(reasons).toEqual(['attention', 'attention', 'attention']);
    expect((await pool.request().query('spid')).recordset).toEqual(before.recordset);
  });

  it('by the driver’s time limit leaves the connection usable', async () => {
    const tiny = await start({
      batch: async (session, text) => (text === 'wait' ? waitForAbort(session) : undefined),
    });
    const pool = await connectTo(tiny, { requestTimeout: 100 });
    expect(
      await pool
        .request()
        .batch('wait')
        .catch((thrown: unknown) => thrown),
    ).toMatchObject({ code: 'ETIMEOUT' });
    await pool.request().batch('again');
    expect(tiny.attached.size).toBe(1);
  });

  it('by a dropped socket ends the session', async () => {
    const reasons: unknown[] = [];
    const tiny = await start({
      batch: async (session, text) => {
        if (text !== 'wait') return;
        await waitForAbort(session);
        reasons.push(session.signal.reason);
      },
    });
    const pool = await connectTo(tiny);
    const socket = await socketOf(pool);
    const finished = pool
      .request()
      .batch('wait')
      .catch((thrown: unknown) => thrown);
    await until(() => [...tiny.attached].some(session => session.request?.text === 'wait'));
    expect([...tiny.attached][0]?.request?.startedAt).toEqual(new Date('2026-03-01T12:00:00Z'));
    socket.destroy();
    await finished;
    await until(() => tiny.attached.size === 0);
    expect(reasons).toEqual(['closed']);
  });

  it('by KILL gets 596 and loses its connection', async () => {
    const tiny = await start({
      batch: async (session, text) => (text === 'wait' ? waitForAbort(session) : undefined),
    });
    const pool = await connectTo(tiny);
    const finished = pool
      .request()
      .batch('wait')
      .catch((thrown: unknown) => thrown);
    await until(() => [...tiny.attached].some(session => session.request?.text === 'wait'));
    for (const session of tiny.attached) session.kill(undefined);
    expect(await finished).toMatchObject({ number: 596 });
    await until(() => tiny.attached.size === 0);
  });
});

describe('sessions', () => {
  it('fifty at once, each with its own spid', async () => {
    const tiny = await start({
      call: async (session, _procedure, _parameters, sink) => {
        echo([{ name: '@spid', output: false, value: { type: { name: 'int' }, value: BigInt(session.spid) } }], sink);
        return { status: 0, outputs: [] };
      },
    });
    const pool = await connectTo(tiny, { pool: { max: 50, min: 50 } });
    const answers = await Promise.all(Array.from({ length: 200 }, () => pool.request().query('spid')));
    await until(() => tiny.attached.size === 50);
    const spids = new Set(answers.map(answer => (answer.recordset[0] as { spid: number }).spid));
    expect([...spids].every(spid => spid > 50 && spid <= 100)).toBe(true);
  });

  it('begin, save, commit and roll back by the driver’s transaction requests', async () => {
    const requests: unknown[] = [];
    const tiny = await start({
      transactionManager: async (_session, request, sink) => {
        requests.push(request);
        if (request.operation !== 'save') sink.transaction(request.operation, 77n);
      },
    });
    const pool = await connectTo(tiny);
    const transaction = new mssql.Transaction(pool);
    await transaction.begin();
    await transaction.commit();
    await transaction.begin();
    await transaction.rollback();
    expect(requests).toEqual([
      { operation: 'begin', name: expect.any(String), beginNext: false },
      { operation: 'commit', name: expect.any(String), beginNext: false },
      { operation: 'begin', name: expect.any(String), beginNext: false },
      { operation: 'rollback', name: expect.any(String), beginNext: false },
    ]);
    const serializable = new mssql.Transaction(pool);
    const refused = await serializable.begin(mssql.ISOLATION_LEVEL.SERIALIZABLE).catch((thrown: unknown) => thrown);
    expect(refused).toMatchObject({ message: expect.stringMatching(/STANDIN-UNSUPPORTED: isolation level 4/) });
  });
});
