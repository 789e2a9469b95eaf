import { describe, expect, it } from '@jest/globals';
import { LockLost, SqlServerError } from './errors.ts';
import { openExclusive } from './exclusive.ts';
import { parseProgramName, renderProgramName } from './program-name.ts';
import type { DedicatedConnection, SqlServer } from './server.ts';
import { statements } from './statements.ts';

const group = '0192f4c1-0000-7000-8000-000000000001';
const holder = (fencingToken: string, service = 'restore') =>
  renderProgramName({ service, group, fencingToken, operation: 'e1' });

/** A server that knows sessions, KILL and one applock: what openExclusive decides on. */
const fakeServer = (
  programs: Readonly<Record<number, string>>,
  options: { readonly killWorks?: boolean; readonly holds?: number } = {},
) => {
  const sessions = new Map(Object.entries(programs).map(([id, program]) => [Number(id), program]));
  let lockedBy = options.holds;
  let now = 0;
  const sent: string[] = [];
  let lastSession = 89;
  const connection = (programName: string): DedicatedConnection => {
    const sessionId = (lastSession += 1);
    sessions.set(sessionId, programName);
    let closed = false;
    const ended = () => closed || !sessions.has(sessionId);
    const answer = (name: string): readonly unknown[] => {
      if (name !== statements.getApplock.name) return name === statements.releaseApplock.name ? [{ result: 0 }] : [];
      if (lockedBy !== undefined && sessions.has(lockedBy)) return [{ result: -1, sessionId }];
      lockedBy = sessionId;
      return [{ result: 0, sessionId }];
    };
    return {
      send: async statement => {
        sent.push(statement.name);
        if (ended())
          throw new SqlServerError(statement.name, {
            errorClass: 'lost',
            hint: '',
            number: null,
            severity: null,
            code: 'EINVALIDSTATE',
            text: 'ended',
            messages: [],
          });
        return { rows: answer(statement.name) as never, messages: [] };
      },
      ended,
      close: async () => {
        closed = true;
        sessions.delete(sessionId);
      },
    };
  };
  const dedicated: DedicatedConnection[] = [];
  const server: SqlServer = {
    label: 'fake',
    clock: () => (now += 100),
    query: async (statement, params) => {
      if (statement.name === statements.killSession.name) {
        const { sessionId } = params as unknown as { readonly sessionId: number };
        sent.push(`KILL ${sessionId}`);
        if (options.killWorks !== false) sessions.delete(sessionId);
        return [];
      }
      return [...sessions].map(([sessionId, programName]) => ({
        sessionId,
        programName,
        hostName: null,
        loginName: null,
      })) as never;
    },
    dedicated: async programName => {
      const opened = connection(programName);
      dedicated.push(opened);
      return opened;
    },
    close: async () => undefined,
  };
  return { server, sent, sessions, endConnection: async () => dedicated.at(-1)?.close() };
};

const request = { group, fencingToken: '10', purpose: { service: 'restore', operation: 'e2' }, waitMs: 500 };

describe('the group lock', () => {
  it('runs statements on the connection that holds it and gives it back', async () => {
    const { server, sent, sessions } = fakeServer({ 51: 'SSMS' });
    const exclusive = await openExclusive(server, request);
    if ('refused' in exclusive) throw new Error(exclusive.message);
    expect(sessions.get(90)).toBe(`holdfast-restore ${group} 10 e2`);
    await exclusive.run(statements.recoverDatabase, { database: 'd' });
    await exclusive.release();
    await exclusive.release();
    expect(sent).toEqual([statements.getApplock.name, statements.recoverDatabase.name, statements.releaseApplock.name]);
    expect(exclusive.holds()).toBe(false);
    expect(sessions.has(90)).toBe(false);
  });

  it('ends older leaders of the same service, by number and not by text, before it takes the lock', async () => {
    const { server, sent } = fakeServer(
      { 60: holder('9'), 61: holder('010'), 62: holder('9', 'shipping') },
      { holds: 60 },
    );
    const exclusive = await openExclusive(server, request);
    expect('refused' in exclusive).toBe(false);
    expect(sent).toEqual(['KILL 60', statements.getApplock.name]);
  });

  it('stops when a newer leader is connected', async () => {
    const { server, sent } = fakeServer({ 60: holder('11') });
    expect(await openExclusive(server, request)).toMatchObject({
      refused: 'Superseded',
      holders: [{ sessionId: 60, fencingToken: '11' }],
    });
    expect(sent).toEqual([]);
  });

  it("leaves another service's holder alone and names it", async () => {
    const { server, sent, sessions } = fakeServer({ 60: holder('3', 'shipping') }, { holds: 60 });
    expect(await openExclusive(server, request)).toMatchObject({
      refused: 'LockHeld',
      holders: [{ sessionId: 60, service: 'shipping' }],
    });
    expect(sent).toEqual([statements.getApplock.name]);
    expect([...sessions.keys()]).toEqual([60]);
  });

  it('does not take the lock while a killed holder still rolls back', async () => {
    const { server, sent } = fakeServer({ 60: holder('9') }, { killWorks: false });
    expect(await openExclusive(server, request)).toMatchObject({
      refused: 'HolderStillEnding',
      holders: [{ sessionId: 60 }],
    });
    expect(sent).toEqual(['KILL 60']);
  });

  it('refuses everything once its connection has ended', async () => {
    const { server, sent, endConnection } = fakeServer({});
    const exclusive = await openExclusive(server, request);
    if ('refused' in exclusive) throw new Error(exclusive.message);
    await endConnection();
    await expect(exclusive.run(statements.recoverDatabase, { database: 'd' })).rejects.toThrow(LockLost);
    expect(exclusive.holds()).toBe(false);
    await exclusive.release();
    expect(sent).toEqual([statements.getApplock.name]);
  });
});

describe('connections beside the lock', () => {
  const locked = async (server: SqlServer, token = '10') => {
    const exclusive = await openExclusive(server, { ...request, fencingToken: token });
    if ('refused' in exclusive) throw new Error(exclusive.message);
    return exclusive;
  };
  const opened = async (exclusive: Awaited<ReturnType<typeof locked>>) => {
    const beside = await exclusive.beside();
    if ('refused' in beside) throw new Error(beside.message);
    return beside;
  };

  it('work at the same time and end with the lock', async () => {
    const { server, sessions } = fakeServer({});
    const exclusive = await locked(server);
    const [first, second] = [await opened(exclusive), await opened(exclusive)];
    expect([...sessions.values()]).toEqual(
      ['e2', 'e2/beside', 'e2/beside'].map(o => `holdfast-restore ${group} 10 ${o}`),
    );
    await first.run(statements.recoverDatabase, { database: 'a' });
    await first.release();
    expect([first.holds(), second.holds(), exclusive.holds()]).toEqual([false, true, true]);
    await exclusive.release();
    await expect(second.run(statements.recoverDatabase, { database: 'b' })).rejects.toThrow(LockLost);
    expect(sessions.size).toBe(0);
  });

  it('send nothing once the connection of the lock has ended', async () => {
    const { server, sessions } = fakeServer({});
    const exclusive = await locked(server);
    const beside = await opened(exclusive);
    sessions.delete(90);
    await expect(beside.run(statements.recoverDatabase, { database: 'a' })).rejects.toThrow(LockLost);
    await expect(exclusive.beside()).rejects.toThrow(LockLost);
  });

  it('are ended by the next leader before it has the lock, and refused to the one before it', async () => {
    const { server, sent, sessions } = fakeServer({});
    const old = await locked(server, '9');
    const beside = await opened(old);
    await locked(server, '10');
    expect(sent.filter(text => text.startsWith('KILL'))).toEqual(['KILL 90', 'KILL 91']);
    expect([...sessions.values()]).toEqual([`holdfast-restore ${group} 10 e2`]);
    await expect(beside.run(statements.recoverDatabase, { database: 'a' })).rejects.toThrow(LockLost);
  });

  it('are found with the lock in hand when they were opened while it was waited for', async () => {
    const { server, sent, sessions } = fakeServer({});
    // As a leader that thawed between the first look and the lock.
    const dedicated: SqlServer['dedicated'] = async name => {
      const connection = await server.dedicated(name);
      sessions.set(70, `holdfast-restore ${group} 9 e1/beside`);
      return connection;
    };
    await locked({ ...server, dedicated });
    expect(sent).toEqual([statements.getApplock.name, 'KILL 70']);
  });

  it("keep another service's leader from the lock though it is free", async () => {
    const { server } = fakeServer({ 70: `holdfast-shipping ${group} 3 stream/beside` });
    expect(await openExclusive(server, request)).toMatchObject({ refused: 'LockHeld', holders: [{ sessionId: 70 }] });
  });
});

describe('program names', () => {
  it('carry group, token and operation, and are recognised only in full', () => {
    const name = renderProgramName({ service: 'restore', group, fencingToken: '18446744073709551', operation: group });
    expect(name.length).toBeLessThanOrEqual(128);
    expect(parseProgramName(`${name}  `)).toEqual({
      service: 'restore',
      group,
      fencingToken: '18446744073709551',
      operation: group,
    });
    for (const other of ['holdfast-restore', `holdfast-restore ${group}`, `xholdfast-restore ${group} 1`, 'node-mssql'])
      expect(parseProgramName(other)).toBeUndefined();
    expect(() => renderProgramName({ service: 'restore', group, fencingToken: '1', operation: 'two words' })).toThrow(
      'Not a program name',
    );
  });
});
