/** The witness for repeats: whatever was begun is in it, also when the process died before the answer. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import mssql from 'mssql';
import { driverConfig, startInstance, type Instance } from './instance.ts';
import { file, makeWorld, removeWorld } from './template.ts';

let world: string;
beforeEach(() => {
  world = makeWorld();
});
afterEach(() => removeWorld(world));

type Entry = { readonly text: string; readonly outcome: string; readonly errors: readonly number[] };

function outcomesOf(text: string): readonly string[] {
  const lines = readFileSync(join(world, 'instance', 'log', 'statements.jsonl'), 'utf8')
    .split('\n')
    .slice(0, -1);
  const entries = lines.map(line => JSON.parse(line) as Entry);
  return entries.filter(entry => entry.text === text).map(({ outcome, errors }) => [outcome, ...errors].join(' '));
}

async function withPool(instance: Instance, work: (pool: mssql.ConnectionPool) => Promise<void>): Promise<void> {
  const pool = await new mssql.ConnectionPool(driverConfig(instance.port)).connect();
  await work(pool);
  await pool.close();
}

it('holds a statement that a kill cut short as begun, and one whose answer was lost as ended', async () => {
  const first = await startInstance(world, { dieAt: 'write a.bak:4' });
  await first.run('CREATE DATABASE A');
  const backup = `BACKUP DATABASE A TO ${file('a')}`;
  await expect(first.run(backup)).rejects.toMatchObject({ code: 'ECONNRESET' });
  await first.kill();
  expect(outcomesOf('CREATE DATABASE A')).toEqual(['started', 'ok']);
  expect(outcomesOf(backup)).toEqual(['started']);
  const second = await startInstance(world);
  await second.run(backup.replace("a.bak'", "b.bak'"));
  await second.kill();
  expect(outcomesOf(backup)).toEqual(['started']);
  expect(outcomesOf(backup.replace("a.bak'", "b.bak'"))).toEqual(['started', 'ok']);
});

it('holds what the driver asks for without T-SQL: transaction requests and calls of procedures', async () => {
  const instance = await startInstance(world);
  await withPool(instance, async pool => {
    const transaction = new mssql.Transaction(pool);
    await transaction.begin();
    await transaction.commit();
    await pool
      .request()
      .input('Resource', 'x')
      .input('LockMode', 'Exclusive')
      .input('LockOwner', 'Session')
      .execute('sp_getapplock');
    await expect(pool.request().execute('no_such_procedure')).rejects.toMatchObject({ number: 2812 });
  });
  expect(outcomesOf('transaction manager: begin')).toEqual(['started', 'ok']);
  expect(outcomesOf('transaction manager: commit')).toEqual(['started', 'ok']);
  expect(outcomesOf('sp_getapplock')).toEqual(['started', 'ok']);
  expect(outcomesOf('no_such_procedure')).toEqual(['started', 'failed 2812']);
  await instance.kill();
});
