/** An instance in this process with two databases, A and B, an Agent and a BizTalk group, whose clock the test moves. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Agent } from '../../src/agent/agent.ts';
import { registerAgent } from '../../src/agent/register-agent.ts';
import { registerBizTalk } from '../../src/biztalk/biztalk.ts';
import { createRegistry, registerCatalogue } from '../../src/catalogue/catalogue.ts';
import { collect, startFixture, type Collected, type TestSession } from '../../src/engine/engine-fixture.ts';
import { FaultSwitches } from '../../src/faults/fault-switches.ts';
import { createExecutor } from '../../src/sql/executor.ts';
import type { Engine } from '../../src/contract.ts';

type Rows = readonly Readonly<Record<string, unknown>>[];

export type Bench = {
  readonly faults: FaultSwitches;
  readonly engine: Engine;
  readonly agent: Agent;
  session(): TestSession;
  /** `onFlush`: called whenever the client is sent what there is so far. */
  run(text: string, session?: TestSession, onFlush?: (sink: Collected) => void): Promise<Collected>;
  /** Numbers of its errors, `3201/53` with Windows' number. */
  errors(text: string, session?: TestSession): Promise<readonly string[]>;
  /** Fails on any error. */
  rows(text: string): Promise<Rows>;
  count(from: string): Promise<number>;
  /** A device that nobody used yet; its name begins with `prefix`. */
  device(prefix: string): string;
  /** The device of the last BACKUP for this prefix. */
  last(prefix: string): string;
  exists(device: string): boolean;
  isSet(fault: string): boolean;
  /** Moves the clock, lets the Agent look, waits until nothing runs. */
  pass(minutes: number): Promise<void>;
  end(): Promise<void>;
};

const share = '\\\\share\\bts';

export async function startBench(): Promise<Bench> {
  let now = new Date('2026-03-01T10:00:00Z');
  const faults = new FaultSwitches();
  const fixture = await startFixture({ clock: () => now, faults });
  const engine = fixture.engine();
  const registry = createRegistry();
  registerCatalogue(registry, engine);
  registerBizTalk(registry, engine);
  const mistakes: unknown[] = [];
  const agent = new Agent({ engine, running: true, report: mistake => void mistakes.push(mistake) });
  registerAgent(registry, agent);
  const executor = createExecutor(engine, registry, { write: () => undefined });
  await agent.start(executor);
  const first = fixture.session();
  let devices = 0;
  const lastOf = new Map<string, string>();
  const run: Bench['run'] = async (text, session = first, onFlush = () => undefined) => {
    const sink: Collected = collect(async () => onFlush(sink));
    await executor.batch(session, text, sink);
    return sink;
  };
  const errors = async (text: string, session = first): Promise<readonly string[]> => {
    const { messages } = await run(text, session);
    return messages.filter(({ severity }) => severity > 10).map(each => `${each.number}${windowsError(each.text)}`);
  };
  const rows = async (text: string): Promise<Rows> => {
    const sink = await run(text);
    const failures = sink.messages.filter(({ severity }) => severity > 10);
    if (failures.length > 0) throw new Error(failures.map(each => `${each.number} ${each.text}`).join(' | '));
    return sink.objects();
  };
  for (const name of ['A', 'B']) {
    await rows(`CREATE DATABASE ${name}`);
    await rows(`CREATE TABLE ${name}.dbo.t (id int NOT NULL IDENTITY PRIMARY KEY, v nvarchar(100))`);
    await rows(`INSERT ${name}.dbo.t (v) VALUES (N'first')`);
  }
  return {
    faults,
    engine,
    agent,
    session: () => fixture.session(),
    run,
    errors,
    rows,
    count: async from => Number((await rows(`SELECT COUNT(*) AS n FROM ${from}`))[0]?.['n']),
    device: prefix => {
      devices += 1;
      lastOf.set(prefix, `${share}\\${prefix}_${devices}.bak`);
      return lastOf.get(prefix) ?? '';
    },
    last: prefix => lastOf.get(prefix) ?? '',
    exists: device => existsSync(join(fixture.folder, 'share', device.replace(/^.*\\/, ''))),
    isSet: fault => faults.list().some(({ name, set }) => name === fault && set !== null),
    pass: async minutes => {
      now = new Date(now.getTime() + minutes * 60_000);
      await agent.look();
      await agent.idle();
    },
    end: async () => {
      await agent.close();
      await fixture.end();
      if (mistakes.length > 0) throw new Error('the Agent made mistakes', { cause: mistakes });
    },
  };
}

/** `/53` of `…error 53(The network …` and `…error 53, 'The network …`. */
function windowsError(text: string): string {
  const [, number] = /(?:error|failed:|:") (\d+)[(,]/.exec(text) ?? [];
  return number === undefined ? '' : `/${number}`;
}

// ---------------------------------------------------------------- statements that many faults are tried with

export const backUp = (bench: Bench, database: string, options = 'NOINIT'): Promise<readonly string[]> =>
  bench.errors(`BACKUP DATABASE ${database} TO DISK = N'${bench.device(database)}' WITH ${options}`);

export const backUpLog = (bench: Bench, database: string): Promise<readonly string[]> =>
  bench.errors(`BACKUP LOG ${database} TO DISK = N'${bench.device(`${database}log`)}'`);

export const insert = (bench: Bench, database: string): Promise<readonly string[]> =>
  bench.errors(`INSERT ${database}.dbo.t (v) VALUES (N'x')`);

/** Recovery model FULL, a full backup, a change that only a log or differential backup holds. */
export async function startChain(bench: Bench, database: string): Promise<void> {
  await bench.rows(`ALTER DATABASE ${database} SET RECOVERY FULL`);
  await bench.rows(`BACKUP DATABASE ${database} TO DISK = N'${bench.device(database)}'`);
  await insert(bench, database);
}

export const readHeader = (bench: Bench, database: string): Promise<readonly string[]> =>
  bench.errors(`RESTORE HEADERONLY FROM DISK = N'${bench.last(database)}'`);

/** The last full of the database, as `A_copy`. */
export const restoreCopy = (bench: Bench, database: string, end = 'NORECOVERY'): Promise<readonly string[]> =>
  bench.errors(
    `RESTORE DATABASE ${database}_copy FROM DISK = N'${bench.last(database)}' WITH ${end}, REPLACE, STATS = 1,
     MOVE N'${database}' TO N'D:\\Data\\${database}_copy.mdf', MOVE N'${database}_log' TO N'D:\\Data\\${database}_copy.ldf'`,
  );

export const restoreLogCopy = (bench: Bench, database: string, stop = ''): Promise<readonly string[]> =>
  bench.errors(`RESTORE LOG ${database}_copy FROM DISK = N'${bench.last(`${database}log`)}' WITH NORECOVERY${stop}`);
