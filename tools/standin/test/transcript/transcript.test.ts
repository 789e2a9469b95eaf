/** README.md, "By hand": what a person is told to type is typed, and what it shows is what comes. */
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from '@jest/globals';
import type mssql from 'mssql';
import { connect, StandInProcess, temporaryFolder } from '../time/process.ts';

const readme = readFileSync(fileURLToPath(new URL('../../README.md', import.meta.url)), 'utf8');
const section = /^## By hand$(.*?)^## /ms.exec(readme)?.[1] ?? '';
const [startLines = '', transcript = ''] = [...section.matchAll(/^```\w*\n(.*?)^```$/gms)].map(([, block]) => block);

type Exchange = { readonly batch: string; readonly shown: string };

/** `1> SELECT 1`, `2> GO`, and what follows up to the next `1>`. */
function exchanges(): readonly Exchange[] {
  return transcript
    .split(/^(?=1> )/m)
    .filter(part => part !== '')
    .map(part => {
      const lines = part.trimEnd().split('\n');
      const typed = lines.filter(line => /^\d+> /.test(line)).map(line => line.replace(/^\d+> /, ''));
      expect(typed.at(-1)).toBe('GO');
      return { batch: typed.slice(0, -1).join('\n'), shown: lines.slice(typed.length).join('\n').trimEnd() };
    });
}

const cellOf = (value: unknown): string => (value === null ? 'NULL' : `${value as string | number}`);

/** As sqlcmd lays it out, but that columns are as wide as what they hold. */
function table(set: mssql.IRecordSet<Record<string, unknown>>): string {
  const names = Object.keys(set.columns);
  const rows = set.map(row => names.map(name => cellOf(row[name])));
  const widths = names.map((name, at) => Math.max(name.length, ...rows.map(row => row[at]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join(' ')
      .trimEnd();
  const count = `(${rows.length} ${rows.length === 1 ? 'row' : 'rows'} affected)`;
  return [line(names), line(widths.map(width => '-'.repeat(width))), ...rows.map(line), count].join('\n');
}

async function answer(pool: mssql.ConnectionPool, batch: string): Promise<string> {
  const request = pool.request();
  const said: string[] = [];
  request.on('info', (info: { readonly message: string }) => said.push(info.message));
  try {
    const { recordsets } = await request.batch<Record<string, unknown>>(batch);
    return [...said, ...recordsets.map(table)].join('\n');
  } catch (failure) {
    const {
      number,
      message,
      precedingErrors = [],
    } = failure as mssql.RequestError & {
      readonly precedingErrors?: readonly mssql.RequestError[];
    };
    const all = [...precedingErrors, { number, message }];
    return [...said, ...all.map(each => `Msg ${each.number}: ${each.message}`)].join('\n');
  }
}

/** How long it took is another matter each time. */
const timeless = (text: string): string => text.replaceAll(/in [\d.]+ seconds \([\d.]+ MB\/sec\)/g, 'in … seconds');

it('answers what README.md shows', async () => {
  const start = /npm run standin -- (.*)/.exec(startLines.replaceAll('\\\n', ' '))?.[1] ?? '';
  await temporaryFolder(async folder => {
    const given = [...start.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '');
    const args = given.map(arg => arg.replaceAll('.holdfast', folder)).map(arg => (arg === '14330' ? '0' : arg));
    expect(args).toContain('0');
    await mkdir(join(folder, 'backup'));
    const instance = new StandInProcess(args);
    const pool = await connect((await instance.line())['port']);
    const typed = exchanges();
    expect(typed.length).toBeGreaterThan(8);
    for (const { batch, shown } of typed)
      expect(`${batch}\n${timeless(await answer(pool, batch))}`).toBe(`${batch}\n${timeless(shown)}`);
    await pool.close();
    expect(await instance.end('SIGTERM')).toBe(0);
  });
});

it('has help that names every command and option', async () => {
  const help = async (...args: readonly string[]): Promise<string> => {
    const child = new StandInProcess(args);
    const lines = await child.rest();
    expect([await child.end(), await child.complaints]).toEqual([0, '']);
    return lines.join('\n');
  };
  const [overview, serve, fleet] = await Promise.all([help('--help'), help('serve', '--help'), help('help', 'fleet')]);
  for (const command of ['serve', 'fleet']) expect(overview).toMatch(new RegExp(`^  ${command} `, 'm'));
  const options = [...readme.matchAll(/^\| `(--[^|]*)` +\|/gm)].flatMap(
    ([, cell = '']) => cell.match(/--[a-z-]+/g) ?? [],
  );
  expect(options.length).toBeGreaterThan(15);
  for (const option of options) expect({ option, said: serve.includes(option) }).toEqual({ option, said: true });
  expect(fleet).toMatch(/--instances N/);
  const wrong = new StandInProcess(['nosuch']);
  expect([await wrong.end(), await wrong.complaints]).toEqual([
    1,
    expect.stringMatching(/^There is no command "nosuch"/),
  ]);
});
