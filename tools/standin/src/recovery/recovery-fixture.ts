/** For tests: short forms of BACKUP and RESTORE over the engine fixture. */
import {
  collect,
  failureOf,
  makeTable,
  put,
  startFixture,
  type Collected,
  type Fixture,
} from '../engine/engine-fixture.ts';
import type { BackupOptions, RestoreStatement, Row, Table } from '../contract.ts';

export const share = '\\\\share\\bts';

export type Recovery = {
  backup(database: string, kind: 'database' | 'log', file: string, options?: BackupOptions): Promise<Collected>;
  restore(
    statement: Partial<RestoreStatement> & { readonly database: string; readonly from?: string },
  ): Promise<Collected>;
  /** Numbers of the failure, [] when it succeeded. */
  refused(work: Promise<unknown>): Promise<readonly number[]>;
  header(file: string, position?: number): Promise<Readonly<Record<string, unknown>>>;
  headers(file: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
  table(database: string, name?: string): Table;
  values(database: string, name?: string): Promise<readonly Row[]>;
  /** A row of the table of `makeTable`, by a session of its own. */
  write(database: string, id: number): Promise<void>;
  /** Of its rows. */
  ids(database: string): Promise<readonly number[]>;
};

/** A database App, whose table has row 1, and full.bak of it. */
export async function startApp(): Promise<{ readonly fixture: Fixture; readonly recovery: Recovery }> {
  const fixture = await startFixture();
  const recovery = recoveryOf(fixture);
  const database = await fixture.engine().createDatabase(fixture.session(), 'App', undefined);
  await makeTable(fixture.engine(), fixture.session(), database);
  await recovery.write('App', 1);
  await recovery.backup('App', 'database', 'full.bak');
  return { fixture, recovery };
}

export function recoveryOf(fixture: Fixture): Recovery {
  const session = fixture.session();
  /** An engine that was restarted knows no session of before. */
  const current = (): typeof session => (fixture.engine().sessions().includes(session) ? session : fixture.session());

  async function headers(file: string, position?: number): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const sink = collect();
    await fixture
      .engine()
      .restoreInformation(
        current(),
        { kind: 'headeronly', devices: [disk(file)], options: position === undefined ? {} : { file: position } },
        sink,
      );
    return sink.objects();
  }

  function table(database: string, name = 't'): Table {
    const found = fixture.engine().database(database)?.table('dbo', name);
    if (found === undefined) throw new Error(`no table ${name} in ${database}`);
    return found;
  }

  async function values(database: string, name?: string): Promise<readonly Row[]> {
    const reader = fixture.session();
    const transaction = fixture.engine().begin(reader, undefined);
    const rows: Row[] = [];
    for await (const { row } of transaction.scan(table(database, name), 'read')) rows.push(row);
    await transaction.commit();
    await fixture.engine().detach(reader);
    return rows;
  }

  return {
    backup: async (database, kind, file, options = {}) => {
      const sink = collect();
      await fixture.engine().backup(current(), { kind, database, devices: [disk(file)], options }, sink);
      return sink;
    },
    restore: async ({ from, ...statement }) => {
      const sink = collect();
      await fixture.engine().restore(
        current(),
        {
          kind: 'log',
          devices: from === undefined ? [] : [disk(from)],
          recovery: 'norecovery',
          options: {},
          ...statement,
        },
        sink,
      );
      return sink;
    },
    refused: failureOf,
    headers,
    header: async (file, position = 1) => {
      const [first] = await headers(file, position);
      if (first === undefined) throw new Error(`no set in ${file}`);
      return first;
    },
    table,
    values,
    write: async (database, id) => {
      const writer = fixture.session();
      await put(fixture.engine(), writer, table(database), id, `row ${id}`);
      await fixture.engine().detach(writer);
    },
    ids: async database => (await values(database)).map(row => Number(row[0])),
  };
}

function disk(file: string): { readonly type: 'disk'; readonly path: string } {
  return { type: 'disk', path: `${share}\\${file}` };
}
