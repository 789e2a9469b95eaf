/** `kill -9` of a working instance: what was acknowledged is there, what was not committed is not, and two databases never disagree. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { cp, mkdtemp, mkdir, readFile, rename, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine } from './engine.ts';
import { createSession, engineOptions, makeTable, readAll } from './engine-fixture.ts';
import type { Engine, Table } from '../contract.ts';

const child = new URL('./crash-child.ts', import.meta.url);
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'standin-crash-'));
  for (const name of ['data', 'share', 'instance']) await mkdir(join(folder, name));
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs the child until it has acknowledged `count` transactions, then kills it. Returns what it acknowledged. */
function runUntilKilled(first: number, count: number): Promise<readonly number[]> {
  return new Promise((resolve, reject) => {
    const process_ = spawn(process.execPath, [
      '--disable-warning=ExperimentalWarning',
      child.pathname,
      folder,
      String(first),
    ]);
    let output = '';
    let errors = '';
    process_.stdout.on('data', (bytes: Buffer) => {
      output += bytes.toString();
      if (output.split('\n').length > count) process_.kill('SIGKILL');
    });
    process_.stderr.on('data', (bytes: Buffer) => (errors += bytes.toString()));
    process_.on('close', (_code, signal) => {
      if (signal !== 'SIGKILL') reject(new Error(`the child ended by itself: ${errors}`));
      // A line that was cut off was not acknowledged.
      else
        resolve(
          output
            .split('\n')
            .slice(0, -1)
            .map(line => Number(line.slice(3))),
        );
    });
  });
}

async function rowsOf(engine: Engine, database: string, table = 't'): Promise<readonly (readonly unknown[])[]> {
  const found = engine.database(database)?.table('dbo', table);
  if (found === undefined) throw new Error(`${database}.${table} is gone`);
  return readAll(engine, createSession(engine, 90, 'master'), found);
}

describe('an instance killed under load', () => {
  it('comes back with every acknowledged transaction, whole, and nothing else', async () => {
    const acknowledged: number[] = [];
    let first = 0;
    for (const count of [1, 7, 40, 250, 25]) {
      acknowledged.push(...(await runUntilKilled(first, count)));
      const engine = await createEngine(engineOptions(folder));
      const ids = (await rowsOf(engine, 'A')).map(row => Number(row[0]));
      const idsInB = (await rowsOf(engine, 'B')).map(row => Number(row[0]));
      expect(idsInB).toEqual(ids);
      expect(ids.filter(id => id < 0)).toEqual([]);
      const present = new Set(ids);
      expect(acknowledged.filter(id => !present.has(id))).toEqual([]);
      const marked = ids.filter(id => id % 10 === 0).map(id => `mark ${id}`);
      const history = (await rowsOf(engine, 'msdb', 'logmarkhistory')).map(
        row => `${String(row[1])} in ${String(row[0])}`,
      );
      expect(history.sort()).toEqual(marked.flatMap(mark => [`${mark} in A`, `${mark} in B`]).sort());
      first = Math.max(0, ...ids);
      await engine.close();
    }
    expect(acknowledged.length).toBeGreaterThan(320);
  }, 120_000);
});

describe('a commit over two databases that a crash cut in two', () => {
  /** How many rows A and B have when the instance starts as a crash left it: `cut` takes away what had not reached the disk yet. */
  async function rowsAfter(
    cut: (instance: string) => Promise<void>,
    look: (copy: string) => Promise<readonly number[]> = rowsOfBoth,
  ): Promise<readonly number[]> {
    const source = await mkdtemp(join(tmpdir(), 'standin-torn-'));
    for (const name of ['data', 'share', 'instance']) await mkdir(join(source, name));
    const engine = await createEngine(engineOptions(source));
    const session = createSession(engine, 51, 'master');
    const tables: Table[] = [];
    for (const name of ['A', 'B'])
      tables.push(await makeTable(engine, session, await engine.createDatabase(session, name, undefined)));
    const transaction = engine.begin(session, undefined);
    for (const table of tables) await transaction.insert(table, [1n, 'both']);
    await transaction.commit();
    const copy = `${source}-copy`;
    await cp(source, copy, { recursive: true });
    await engine.close();
    await cut(join(copy, 'instance'));
    const counts = await look(copy);
    for (const folder of [source, copy]) await rm(folder, { recursive: true });
    return counts;
  }

  async function rowsOfBoth(copy: string): Promise<readonly number[]> {
    const engine = await createEngine(engineOptions(copy));
    const counts = await Promise.all(['A', 'B'].map(async name => (await rowsOf(engine, name)).length));
    await engine.close();
    return counts;
  }

  /** Takes the last record, the commit, off a database's log. */
  async function loseCommit(instance: string, database: string): Promise<void> {
    const path = join(instance, 'DATA', `${database}_log.ldf`);
    const bytes = await readFile(path);
    let last = 8;
    for (let at = 8; at < bytes.length; at += 8 + bytes.readUInt32LE(at)) last = at;
    await truncate(path, last);
  }

  it('is committed in both when it was decided', async () => {
    expect(await rowsAfter(instance => loseCommit(instance, 'B'))).toEqual([1, 1]);
    expect(
      await rowsAfter(async instance => {
        await loseCommit(instance, 'A');
        await loseCommit(instance, 'B');
      }),
    ).toEqual([1, 1]);
  });

  it('is committed, once its data file is back, in one that the first start could not open', async () => {
    const lost = (folder: string): string => join(folder, 'instance', 'DATA', 'B.mdf');
    const counts = await rowsAfter(
      instance => loseCommit(instance, 'B'),
      async copy => {
        await rename(lost(copy), `${lost(copy)}.away`);
        for (const start of ['first', 'second']) {
          const engine = await createEngine(engineOptions(copy));
          expect([start, engine.database('B')?.state]).toEqual([start, 'RECOVERY_PENDING']);
          await engine.close();
        }
        await rename(`${lost(copy)}.away`, lost(copy));
        return rowsOfBoth(copy);
      },
    );
    expect(counts).toEqual([1, 1]);
  });

  it('is undone in both when it was not', async () => {
    expect(
      await rowsAfter(async instance => {
        await loseCommit(instance, 'A');
        await loseCommit(instance, 'B');
        await truncate(join(instance, 'commit.journal'), 0);
      }),
    ).toEqual([0, 0]);
  });
});
