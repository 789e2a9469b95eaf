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

  it('lets the Agent run unless it is told not to', () => {
    expect(readConfig([...minimum], password).agentRuns).toBe(true);
    expect(readConfig([...minimum, '--no-agent'], password).agentRuns).toBe(false);
    const file = join(folder, 'agent.json');
    writeFileSync(file, JSON.stringify({ 'no-agent': true }));
    expect(readConfig([...minimum, '--config', file], password).agentRuns).toBe(false);
    writeFileSync(file, JSON.stringify({ 'no-agent': 'yes' }));
    expect(() => readConfig([...minimum, '--config', file], password)).toThrow(/no-agent must be true or false/);
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
    expect(config.faults).toEqual({ noMarkStall: true, commitGapMs: 300, noDtc: true });
    const bad = [
      '--fault',
      'disk-quota=4096',
      '--fault',
      'availability-group=Orders',
      '--fault',
      'availability-group=A=b',
    ];
    expect(readConfig([...minimum, ...bad], password).faults).toEqual({
      diskQuotaBytes: 4096,
      availabilityGroup: ['Orders', 'A=b'],
    });
    for (const fault of ['disk-quota=', 'disk-quota=1k', 'availability-group='])
      expect(() => readConfig([...minimum, '--fault', fault], password)).toThrow(/is not no-mark-stall/);
    expect(config.peersFile).toMatch(/peers\.json$/);
    expect(readConfig(minimum, password)).toMatchObject({ faults: {}, peersFile: undefined, peerPort: 0 });
    expect(() => readConfig([...minimum, '--fault', 'no-such'], password)).toThrow(/no-such/);
  });

  it('takes the place to die at from the environment', () => {
    const { killPoint } = readConfig(minimum, { ...password, STANDIN_DIE_AT: 'write a.bak:3', STANDIN_PLACES: 'p' });
    expect(killPoint).toEqual({ dieAt: { place: 'write a.bak', passing: 3 }, placesFile: 'p' });
    expect(readConfig(minimum, password).killPoint).toEqual({ dieAt: undefined, placesFile: undefined });
    expect(() => readConfig(minimum, { ...password, STANDIN_DIE_AT: ':' })).toThrow(/STANDIN_DIE_AT/);
  });
});
