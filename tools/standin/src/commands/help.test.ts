/** The help is enough to use the stand-in alone: what the code's own tables have is named in it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { setupProcedures } from '../biztalk/setup-procedures.ts';
import { paddingProcedure } from '../catalogue/padding-procedure.ts';
import { clockBodies } from '../clock-control.ts';
import { ConfigError, readConfig, serverRoles, settingNames } from '../config.ts';
import { controlPaths } from '../control.ts';
import { commandNames, runLine, topicNames } from './commands.ts';

const log = jest.spyOn(console, 'log').mockImplementation(() => undefined);

beforeEach(() => void log.mockClear());
afterAll(() => log.mockRestore());

async function printed(...line: readonly string[]): Promise<string> {
  log.mockClear();
  expect(await runLine(line)).toBe(0);
  return log.mock.calls.map(([text]) => String(text)).join('\n');
}

describe('the overview', () => {
  it.each([['--help'], ['-h'], ['help']])('%s names every command and topic', async word => {
    const text = await printed(word);
    for (const name of [...commandNames, ...topicNames]) expect(text).toMatch(new RegExp(`^  ${name} +\\S`, 'm'));
  });

  it('says how to begin and how to connect', async () => {
    const text = await printed('--help');
    expect(text).toMatch(/STANDIN_PASSWORD=\S+ npm run standin -- .*--data .*--name /);
    expect(text).toContain("--map 'D:\\Backup=.holdfast/backup'");
    expect(text).toMatch(/--password-file FILE/);
    expect(text).toMatch(/^ +tsql -H 127\.0\.0\.1 -p \d+ -U sa -P /m);
    expect(text).toMatch(/^ +sqlcmd -S tcp:127\.0\.0\.1,\d+ -U sa -P \S+ -C/m);
  });
});

describe('help', () => {
  it('has a text for every command, by both ways of asking', async () => {
    for (const name of commandNames) expect(await printed('help', name)).toBe(await printed(name, '--help'));
  });

  it('refuses a name that is neither command nor topic', async () => {
    await expect(runLine(['help', 'nosuch'])).rejects.toThrow(ConfigError);
    await expect(runLine(['help', 'nosuch'])).rejects.toThrow(/serve.*clock/);
    await expect(runLine(['clock'])).rejects.toThrow(/help clock/);
  });

  it('serve names every path of the control port', async () => {
    const text = await printed('help', 'serve');
    for (const path of controlPaths) expect(text).toContain(path);
  });

  it('clock names every body of POST /clock, and every refusal', async () => {
    const text = await printed('help', 'clock');
    expect(clockBodies.length).toBeGreaterThan(2);
    for (const { body, effect } of clockBodies) {
      expect(text).toContain(body);
      expect(text).toContain(effect);
    }
    for (const code of ['BAD_REQUEST', 'CLOCK_RUNS', 'CLOCK_GOES_BACK', 'CLOCK_IS_MOVED', 'RUN_HANGS'])
      expect(text).toContain(code);
  });

  it('peers shows the shape of the file', async () => {
    const text = await printed('help', 'peers');
    const [shape = ''] = /\{.*"secret".*\}/s.exec(text) ?? [];
    expect(JSON.parse(shape)).toMatchObject({ secret: expect.any(String), instances: {} });
  });

  it('config names every setting and role, and shows a file that is taken', async () => {
    const text = await printed('help', 'config');
    for (const name of [...settingNames, ...serverRoles]) expect(text).toContain(name);
    const [shape = ''] = /^\{.*^\}/ms.exec(text) ?? [];
    const folder = mkdtempSync(join(tmpdir(), 'standin-help-'));
    const [file, password] = [join(folder, 'config.json'), join(folder, 'password.txt')];
    writeFileSync(password, 'sesame');
    writeFileSync(file, shape.replaceAll(/"\w+\.txt"/g, JSON.stringify(password)));
    const config = readConfig(['--config', file], {});
    rmSync(folder, { recursive: true });
    expect(config).toMatchObject({ serverName: 'ONE\\BTS', port: 14_330, faults: [{ name: 'disk-full' }] });
    expect(config.logins.map(({ login }) => [login.name, login.windows === true])).toEqual([
      ['sa', false],
      ['reader', false],
      ['CONTOSO\\operator', true],
    ]);
  });

  it('biztalk names every procedure of the stand-in with its parameters', async () => {
    const text = await printed('help', 'biztalk');
    const procedures = [...setupProcedures, paddingProcedure];
    expect(procedures.length).toBeGreaterThan(7);
    for (const { name, parameters } of procedures) {
      const [, own = ''] = new RegExp(`^${name}$(.*?)(?=^\\S|(?![^]))`, 'ms').exec(text) ?? [];
      expect({ name, said: own.trim().length > 40 }).toEqual({ name, said: true });
      for (const parameter of parameters) expect(own).toContain(parameter.name);
    }
  });
});
