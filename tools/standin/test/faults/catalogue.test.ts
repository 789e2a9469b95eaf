/** The catalogue as a whole: nothing untried, nothing untold; the command line and the start set what the control port sets. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { runLine } from '../../src/commands/commands.ts';
import { ConfigError } from '../../src/config.ts';
import { faultsWith, FaultSwitches, rangeOf } from '../../src/faults/fault-switches.ts';
import { matches, type Parameter } from '../../src/faults/definition.ts';
import { bizTalkStrikes } from './biztalk-strikes.ts';
import { databaseStrikes } from './database-strikes.ts';
import { startInstance, type WireBench } from './instance.ts';
import { jobStrikes } from './job-strikes.ts';
import { markStrikes } from './mark-strikes.ts';
import { mediaStrikes } from './media-strikes.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const catalogue = new FaultSwitches().list();
const names = catalogue.map(({ name }) => name);

describe('every fault', () => {
  it('is tried', () => {
    const tables = [mediaStrikes, databaseStrikes, markStrikes, jobStrikes, bizTalkStrikes];
    const inTables = tables.flatMap(table => Object.keys(table));
    const wire = readFileSync(here('wire.test.ts'), 'utf8');
    const linked = ['../../src/linked/mark-consistency.test.ts', '../mark/mark.test.ts']
      .map(path => readFileSync(here(path), 'utf8'))
      .join('');
    const untried = names.filter(
      name => !inTables.includes(name) && !wire.includes(`'${name}'`) && !linked.includes(`'${name}'`),
    );
    expect(untried).toEqual([]);
    expect(new Set(inTables).size).toBe(inTables.length);
    expect(names.length).toBeGreaterThanOrEqual(30);
  });

  it('stands in the README as the code has it', () => {
    const readme = readFileSync(here('../../README.md'), 'utf8');
    const section = readme.slice(readme.indexOf('## Faults'), readme.indexOf('## A BizTalk group'));
    const rows = section
      .split('\n')
      .filter(line => line.startsWith('| `'))
      .map(line => line.replace(/\\\|/g, '\u0000').split('|').slice(1, -1))
      .map(cells => cells.map(cell => cell.trim().replaceAll('\u0000', '|')));
    const expected = catalogue.map(({ name, parameters, description }) => [
      `\`${name}\``,
      Object.entries(parameters).map(parameterText).join(', '),
      description,
    ]);
    expect(rows.filter(([, , description]) => description !== undefined)).toEqual(expected);
  });
});

/** `**percent**` must be given; `path=*` need not; `times` has no limit without it. */
function parameterText([name, { default: otherwise }]: [string, Parameter]): string {
  if (otherwise === undefined) return `**${name}**`;
  return otherwise === null ? name : `${name}=\`${otherwise}\``;
}

describe('a request', () => {
  it('fills in what need not be given', () => {
    expect(new FaultSwitches().set({ name: 'disk-full', parameters: { percent: 5 } })).toEqual({
      name: 'disk-full',
      set: { percent: 5, database: '*', path: '*', also3271: 'no', times: null },
      hits: 0,
    });
  });

  it.each([
    [{ name: 'disk-full' }, 'percent'],
    [{ name: 'disk-full', parameters: { percent: 101 } }, 'percent'],
    [{ name: 'disk-full', parameters: { percent: '5' } }, 'percent'],
    [{ name: 'disk-full', parameters: { percent: 5, also3271: 'maybe' } }, 'also3271'],
    [{ name: 'disk-full', parameters: { percent: 5, path: '' } }, 'path'],
    [{ name: 'disk-full', parameters: { percent: 5, times: 0 } }, 'times'],
    [{ name: 'no-dtc', parameters: { times: 1 } }, 'times'],
  ])('%j is refused for one parameter', (request, parameter) => {
    expect(new FaultSwitches().set(request)).toMatchObject({ code: 'BAD_PARAMETER', parameter });
  });

  it('never takes an inherited name for a fault', () => {
    expect(new FaultSwitches().set({ name: 'toString' })).toMatchObject({ code: 'UNKNOWN_FAULT' });
  });

  it('counts hits, and ends by itself', () => {
    const faults = faultsWith({ name: 'log-full', parameters: { database: 'A', times: 2 } });
    expect(['A', 'B', 'a', 'A'].map(name => faults.databases.logFullBy(name) !== undefined)).toEqual([
      ...[true, false, true],
      false,
    ]);
    expect(faults.clear('log-full')).toEqual({ name: 'log-full', set: null, hits: 2 });
    expect(faults.set({ name: 'log-full' })).toMatchObject({ hits: 0 });
  });

  it('reads patterns', () => {
    const hit = (pattern: string, text: string): boolean => matches(pattern, text);
    expect(hit('*', '')).toBe(true);
    expect(hit('\\\\share\\bts\\*_Log_*', '\\\\SHARE\\bts\\A_log_1.bak')).toBe(true);
    expect(hit('A,B*', 'Bcd')).toBe(true);
    expect(hit('A,B*', 'Ab')).toBe(false);
    expect(hit('a.c', 'abc')).toBe(false);
    expect(hit('*x*', 'a\nx\nb')).toBe(true);
  });

  it('has its range in words', () => {
    expect(rangeOf({ type: 'choice', meaning: '', choices: ['a', 'b'] })).toBe('one of a, b');
  });
});

describe('the command line', () => {
  let bench: WireBench;
  const log = jest.spyOn(console, 'log').mockImplementation(() => undefined);
  const error = jest.spyOn(console, 'error').mockImplementation(() => undefined);

  beforeAll(async () => {
    bench = await startInstance('commit-gap=250', 'disk-full percent=40 path=*.trn times=2');
  });
  afterAll(async () => {
    log.mockRestore();
    error.mockRestore();
    await bench.end();
  });

  /** Exit code and what was printed. */
  async function faults(...words: readonly string[]): Promise<readonly [number | undefined, string]> {
    log.mockClear();
    error.mockClear();
    const code = await runLine(['faults', ...words, '--control-port', String(bench.controlPort)]);
    return [code, [...log.mock.calls, ...error.mock.calls].map(([text]) => String(text)).join('\n')];
  }

  it('lists what the start has set', async () => {
    const [code, text] = await faults('list');
    expect([code, text.split('\n').length]).toEqual([0, names.length]);
    expect(await faults('list', '--set')).toEqual([
      0,
      'disk-full   on, 0 hits: percent=40 database=* path=*.trn also3271=no times=2\ncommit-gap  on, 0 hits: ms=250',
    ]);
  });

  it('shows one with its parameters', async () => {
    const [code, text] = await faults('list', 'mark-missing');
    expect(code).toBe(0);
    expect(text).toMatch(/^mark-missing: off\n/);
    expect(text).toMatch(/history {3}its row of logmarkhistory.*: one of missing, present; without it missing/);
    expect(text).toMatch(/times {5}so many hits.*; without it no limit/);
  });

  it('sets and clears', async () => {
    const client = await bench.connect();
    await client.ask('CREATE DATABASE Orders');
    await client.ask('CREATE TABLE Orders.dbo.t (id int)');
    expect(await faults('set', 'log-full', 'database=Orders', 'times=3')).toEqual([
      0,
      'log-full: on, 0 hits: database=Orders reason=LOG_BACKUP times=3',
    ]);
    await expect(client.ask('INSERT Orders.dbo.t VALUES (1)')).rejects.toMatchObject({ number: 9002 });
    expect(await faults('clear', 'log-full')).toEqual([0, 'log-full: off, 1 hit']);
    await client.ask('INSERT Orders.dbo.t VALUES (1)');
    expect(await faults('clear', '--all')).toEqual([0, 'disk-full: off\ncommit-gap: off']);
    expect(await faults('list', '--set')).toEqual([0, '']);
    await client.close();
  });

  it('says what the instance refuses, with exit code 1', async () => {
    expect(await faults('set', 'disk-full')).toEqual([1, 'BAD_PARAMETER: percent is a whole number from 0 to 100.']);
    expect((await faults('set', 'no-such'))[1]).toMatch(/^UNKNOWN_FAULT: no-such is not one of/);
    expect((await faults('clear', 'no-such'))[0]).toBe(1);
    expect((await faults('list', 'no-such'))[0]).toBe(1);
    const nobody = await runLine(['faults', 'list', '--control-port', '1']);
    expect([nobody, error.mock.calls.at(-1)?.[0]]).toEqual([1, 'No instance answers at http://127.0.0.1:1/faults.']);
  });

  it.each([
    [['list', '--colour'], /colour/],
    [['mend'], /list, set or clear/],
    [['set'], /which fault/],
    [['set', 'disk-full', 'percent'], /parameter=value/],
  ])('%j is a wrong line', async (words, mistake) => {
    await expect(faults(...words)).rejects.toThrow(mistake);
    await expect(faults(...words)).rejects.toThrow(ConfigError);
  });
});

describe('the product', () => {
  it('never reads the control port', () => {
    const root = here('../../../..');
    const read: string[] = [];
    for (const folder of ['apps', 'libs']) {
      for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
        const path = join(entry.parentPath, entry.name);
        const product = entry.isFile() && /\.(ts|mts|js|mjs)$/.test(entry.name) && !path.includes('node_modules');
        // Tests and what is for tests start instances, and read their ready line.
        if (!product || /[\\/](test|dist)[\\/]|\.test\.ts$|[\\/]testing\.ts$/.test(path)) continue;
        if (/controlPort|control-port|\/faults\b/.test(readFileSync(path, 'utf8'))) read.push(path.slice(root.length));
      }
    }
    expect(read).toEqual([]);
  });
});
