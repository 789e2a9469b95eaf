import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ConfigError, readConfig } from './config.ts';

let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'standin-config-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

const minimum = ['--data', 'here', '--name', 'PRIMARY\\BTS'];
const password = { STANDIN_PASSWORD: 'secret' };

describe('readConfig', () => {
  it('takes a login with its password from the environment', () => {
    const config = readConfig([...minimum, '--port', '1433', '--login', 'holdfast'], password);
    expect(config).toMatchObject({ port: 1433, controlPort: 0, dataFolder: resolve('here'), majorVersion: 16 });
    expect(config.logins).toMatchObject([{ login: { name: 'holdfast' }, password: 'secret' }]);
    expect(config.logins[0]?.login.serverRoles.has('sysadmin')).toBe(true);
  });

  it('maps Windows paths as text, with the first = as the border', () => {
    const config = readConfig([...minimum, '--map', 'D:\\Data=a=b', '--map', '\\\\share\\bts=c'], password);
    expect(config.pathMap).toEqual({ 'D:\\Data': resolve('a=b'), '\\\\share\\bts': resolve('c') });
  });

  it('reads a JSON file, over which options win', () => {
    const file = join(folder, 'standin.json');
    const passwordFile = join(folder, 'password');
    writeFileSync(passwordFile, 'from file\r\n');
    writeFileSync(
      file,
      JSON.stringify({
        name: 'A',
        port: 5,
        data: 'x',
        map: { 'E:\\': 'e' },
        logins: [{ name: 'reader', passwordFile, roles: ['dbcreator'] }],
      }),
    );
    const config = readConfig(['--config', file, '--name', 'B'], {});
    expect(config).toMatchObject({ serverName: 'B', port: 5, pathMap: { 'E:\\': resolve('e') } });
    expect(config.logins).toMatchObject([{ login: { name: 'reader' }, password: 'from file' }]);
    expect([...(config.logins[0]?.login.serverRoles ?? [])]).toEqual(['dbcreator']);
  });

  it('takes a Windows account by its name, and by nothing else', () => {
    const config = readConfig([...minimum, '--login', 'CONTOSO\\svc'], password);
    expect(config.logins).toMatchObject([{ login: { name: 'CONTOSO\\svc', windows: true } }]);
    expect(config.logins[0]?.login.sid.length).toBe(28);
    const file = join(folder, 'windows.json');
    const passwordFile = join(folder, 'password');
    writeFileSync(passwordFile, 'x');
    const read = (name: string, windows: unknown): unknown => {
      writeFileSync(file, JSON.stringify({ logins: [{ name, passwordFile, windows }] }));
      return readConfig([...minimum, '--config', file], {}).logins[0]?.login.windows;
    };
    expect(read('CONTOSO\\svc', true)).toBe(true);
    for (const [name, windows] of [
      ['CONTOSO\\svc', undefined],
      ['svc', true],
      ['CONTOSO\\svc', 'yes'],
    ] as const)
      expect(() => read(name, windows)).toThrow(/windows is true for names as DOMAIN\\account/);
  });

  it('takes a rate for the clock, or lets it stand', () => {
    const rate = (...args: readonly string[]): number => readConfig([...minimum, ...args], password).clockRate;
    expect([rate(), rate('--clock-rate', '60'), rate('--clock-rate', '0.5'), rate('--clock-mode', 'manual')]).toEqual([
      1, 60, 0.5, 0,
    ]);
    for (const wrong of ['0', '-1', 'fast', '', '86401'])
      expect(() => rate(`--clock-rate=${wrong}`)).toThrow(/clock-rate must be a number above 0, at most 86400/);
    expect(() => rate('--clock-mode', 'slow')).toThrow(/clock-mode must be running or manual/);
    expect(() => rate('--clock-mode', 'manual', '--clock-rate', '60')).toThrow(/not for --clock-mode manual/);
  });

  it('lets the Agent run unless it is told not to', () => {
    expect(readConfig([...minimum], password).agentRuns).toBe(true);
    expect(readConfig([...minimum, '--no-agent'], password).agentRuns).toBe(false);
    const file = join(folder, 'agent.json');
    writeFileSync(file, JSON.stringify({ 'no-agent': true }));
    expect(readConfig([...minimum, '--config', file], password).agentRuns).toBe(false);
    writeFileSync(file, JSON.stringify({ 'no-agent': 'yes' }));
    expect(() => readConfig([...minimum, '--config', file], password)).toThrow(/no-agent must be true or false/);
  });

  it('takes a version by its name or its major number', () => {
    const version = (...args: readonly string[]): number => readConfig([...minimum, ...args], password).majorVersion;
    expect(version()).toBe(16);
    const named = ['2016', '2017', '2019', '2022', '2025'].map(each => version('--version', each));
    expect(named).toEqual([13, 14, 15, 16, 17]);
    expect(version('--version', '15')).toBe(15);
    for (const wrong of ['2018', '12', '18', '0016', ''])
      expect(() => version(`--version=${wrong}`)).toThrow(/version must be 2016, .* or 13 to 17/);
  });

  it('takes how long a mark waits', () => {
    const timeout = (...args: readonly string[]): unknown => readConfig([...minimum, ...args], password).markTimeoutMs;
    expect([timeout(), timeout('--mark-timeout', '200')]).toEqual([undefined, 200]);
    expect(() => timeout('--mark-timeout', '0')).toThrow(/mark-timeout must be a number from 1 to 600000/);
  });

  it('tells all mistakes at once', () => {
    const read = (): unknown => readConfig(['--port', 'x', '--version', '12', '--clock', 'never', '--map', 'D:'], {});
    expect(read).toThrow(ConfigError);
    expect(read).toThrow(
      /port must be.*--data is missing.*--name is missing.*version must be.*map "D:".*no login.*clock/s,
    );
  });

  it('refuses options it does not know', () => {
    expect(() => readConfig([...minimum, '--tls'], password)).toThrow(/--tls/);
    const file = join(folder, 'strange.json');
    writeFileSync(file, '{"tls":true}');
    expect(() => readConfig([...minimum, '--config', file], password)).toThrow('unknown setting "tls"');
  });

  it('takes the parent from the environment', () => {
    expect(readConfig(minimum, { ...password, STANDIN_PARENT_PID: '42' }).parentPid).toBe(42);
    expect(() => readConfig(minimum, { ...password, STANDIN_PARENT_PID: '0' })).toThrow(/STANDIN_PARENT_PID/);
  });

  it('takes faults and the peers file', () => {
    const faults = ['--fault', 'no-mark-stall', '--fault', 'commit-gap=300', '--fault', 'no-dtc'];
    const config = readConfig([...minimum, ...faults, '--peers', 'peers.json'], password);
    expect(config.faults).toEqual([
      { name: 'no-mark-stall', parameters: {} },
      { name: 'commit-gap', parameters: { ms: 300 } },
      { name: 'no-dtc', parameters: {} },
    ]);
    const bad = [
      '--fault',
      'disk-quota=4096',
      '--fault',
      'availability-group=Orders',
      '--fault',
      'availability-group=A=b',
    ];
    expect(readConfig([...minimum, ...bad], password).faults).toEqual([
      { name: 'disk-quota', parameters: { bytes: 4096 } },
      { name: 'availability-group', parameters: { database: 'Orders,A=b' } },
    ]);
    for (const [fault, mistake] of [
      ['disk-quota=', /bytes is a whole number/],
      ['disk-quota=1k', /bytes is a whole number/],
      ['availability-group=', /database is a text/],
      ['disk-full', /percent is a whole number from 0 to 100/],
      ['disk-full percent=5 colour=red', /colour is not one of percent/],
    ] as const)
      expect(() => readConfig([...minimum, '--fault', fault], password)).toThrow(mistake);
    const any = ['--fault', 'disk-full percent=40 path=*.trn times=1'];
    expect(readConfig([...minimum, ...any], password).faults).toEqual([
      { name: 'disk-full', parameters: { percent: 40, path: '*.trn', times: 1 } },
    ]);
    expect(config.peersFile).toMatch(/peers\.json$/);
    expect(readConfig(minimum, password)).toMatchObject({ faults: [], peersFile: undefined, peerPort: 0 });
    expect(() => readConfig([...minimum, '--fault', 'no-such'], password)).toThrow(/no-such/);
  });

  it('takes the place to die at from the environment', () => {
    const { killPoint } = readConfig(minimum, { ...password, STANDIN_DIE_AT: 'write a.bak:3', STANDIN_PLACES: 'p' });
    expect(killPoint).toEqual({ dieAt: { place: 'write a.bak', passing: 3 }, placesFile: 'p' });
    expect(readConfig(minimum, password).killPoint).toEqual({ dieAt: undefined, placesFile: undefined });
    expect(() => readConfig(minimum, { ...password, STANDIN_DIE_AT: ':' })).toThrow(/STANDIN_DIE_AT/);
  });
});
