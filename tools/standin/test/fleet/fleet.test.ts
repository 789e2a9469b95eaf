/** Many instances in one process. */
import { readdir, writeFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { readFleet } from '../../src/fleet.ts';
import { connect, control, StandInProcess, temporaryFolder, type Line } from '../time/process.ts';

const count = process.env['HOLDFAST_TESTS'] === 'long' ? 200 : 20;
const mostMbEach = 3;

const options = (folder: string, more: readonly string[]): readonly string[] => [
  ...['fleet', '--data', folder, '--name', 'NODE{n}\\BTS', '--no-sync', ...more],
];

async function allReady(fleet: StandInProcess): Promise<{ readonly each: readonly Line[]; readonly whole: Line }> {
  const each: Line[] = [];
  for (;;) {
    const line = await fleet.line();
    if ('fleet' in line)
      return { each: each.sort((a, b) => Number(a['instance']) - Number(b['instance'])), whole: line };
    each.push(line);
  }
}

it(`runs ${count} instances, each with a port, a name and a folder of its own, in little memory`, async () => {
  await temporaryFolder(async folder => {
    const one = new StandInProcess(options(join(folder, 'one'), ['--instances', '1']));
    await allReady(one);
    const alone = one.residentMb();
    expect(await one.end('SIGTERM')).toBe(0);

    const shared = ['--map', `\\\\share\\bts=${join(folder, 'share')}`, '--map', `D:\\Data=${join(folder, 'd-{n}')}`];
    const fleet = new StandInProcess(options(join(folder, 'all'), ['--instances', String(count), ...shared]));
    const { each, whole } = await allReady(fleet);
    expect(whole).toMatchObject({ fleet: count, ready: count });
    expect(each.map(line => line['name'])).toEqual(Array.from({ length: count }, (_, i) => `NODE${i + 1}\\BTS`));
    expect(new Set(each.flatMap(line => [line['port'], line['controlPort']])).size).toBe(2 * count);
    expect((await readdir(join(folder, 'all'))).length).toBe(count);
    const together = fleet.residentMb();
    if (alone !== undefined && together !== undefined) {
      const mbEach = (together - alone) / (count - 1);
      if (count > 20) console.log(`${mbEach.toFixed(2)} MB for each idle instance of ${count}`);
      expect(mbEach).toBeLessThan(mostMbEach);
    }
    for (const line of [each[0], each[count - 1]]) {
      const pool = await connect(line?.['port']);
      const { recordset } = await pool.request().query('SELECT @@SERVERNAME AS name');
      expect([...recordset]).toEqual([{ name: line?.['name'] }]);
      await pool
        .request()
        .batch(
          `CREATE DATABASE A ON (NAME = A, FILENAME = 'D:\\Data\\A.mdf') LOG ON (NAME = A_log, FILENAME = 'D:\\Data\\A.ldf')`,
        );
      await pool.request().batch(`BACKUP DATABASE A TO DISK = '\\\\share\\bts\\A-${String(line?.['instance'])}.bak'`);
      await pool.close();
      expect(await control(line?.['controlPort'], '/health')).toMatchObject([200, { name: line?.['name'] }]);
    }
    // The share is one; the drives are not.
    expect((await readdir(join(folder, 'share'))).sort()).toEqual(['A-1.bak', `A-${count}.bak`].sort());
    expect((await readdir(join(folder, 'd-1'))).sort()).toEqual(['A.ldf', 'A.mdf']);
    expect(await fleet.end('SIGTERM')).toBe(0);
    expect(await fleet.complaints).toBe('');
  });
});

it('tells which instance cannot start, and runs the others', async () => {
  await temporaryFolder(async folder => {
    await writeFile(join(folder, '2'), 'not a folder');
    const fleet = new StandInProcess(options(folder, ['--instances', '3']));
    const { each, whole } = await allReady(fleet);
    expect([each.map(line => line['name']), whole['ready']]).toEqual([['NODE1\\BTS', 'NODE3\\BTS'], 2]);
    const pool = await connect(each[1]?.['port']);
    await pool.close();
    expect(await fleet.end('SIGTERM')).toBe(0);
    expect(await fleet.complaints).toMatch(/^NODE2\\BTS cannot start: .*(ENOTDIR|EEXIST)/);
  });
});

it('ends when none can start', async () => {
  await temporaryFolder(async folder => {
    await mkdir(join(folder, 'data'));
    await writeFile(join(folder, 'data', '1'), '');
    const fleet = new StandInProcess(options(join(folder, 'data'), ['--instances', '1']));
    expect(await fleet.end()).toBe(1);
    expect((await fleet.rest()).map(line => JSON.parse(line) as Line)).toMatchObject([{ fleet: 1, ready: 0 }]);
  });
});

it('numbers names, folders and ports, and refuses what cannot be many', () => {
  const password = { STANDIN_PASSWORD: 'x' };
  const read = (...args: readonly string[]): ReturnType<typeof readFleet> => readFleet(args, password);
  const usual = ['--data', 'd', '--name', 'N{n}'];
  const fleet = read(...usual, '--instances=2', '--port', '15000', '--map', 'D:\\=m/{n}');
  expect(fleet.map(({ serverName, port, controlPort }) => [serverName, port, controlPort])).toEqual([
    ['N1', 15_000, 0],
    ['N2', 15_001, 0],
  ]);
  expect(fleet[1]?.dataFolder).toMatch(/d.2$/);
  expect(fleet[1]?.pathMap['D:\\']).toMatch(/m.2$/);
  for (const wrong of [[], ['--instances'], ['--instances', '0'], ['--instances', '1001'], ['--instances', 'x']])
    expect(() => read(...usual, ...wrong)).toThrow(/--instances must be a number from 1 to 1000/);
  expect(() => read('--data', 'd', '--name', 'N', '--instances', '2')).toThrow(/--name must contain \{n\}/);
  expect(() => read(...usual, '--instances', '9', '--port', '65530')).toThrow(/9 ports from 65530 on are not there/);
  const dying = { ...password, STANDIN_DIE_AT: 'ready:1' };
  expect(() => readFleet([...usual, '--instances', '2'], dying)).toThrow(/are for one instance/);
});
