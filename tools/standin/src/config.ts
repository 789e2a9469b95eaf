import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readKeyPair, type KeyPair } from './certificate.ts';
import { utcOffsetMinutes } from './time-zone.ts';
import { fastestRate } from './clock-control.ts';
import { readFaults } from './faults/fault-line.ts';
import type { FaultRequest } from './faults/fault-switches.ts';
import { windowsSid } from './engine/windows-logins.ts';
import { parseKillPoint, type KillPoint } from './kill-point.ts';
import type { LoginEntry } from './server.ts';

export type Config = {
  /** 0: any free port. */
  readonly port: number;
  readonly controlPort: number;
  readonly dataFolder: string;
  /** @@SERVERNAME, as `PRIMARY\BTS`. */
  readonly serverName: string;
  /** 13 (2016) … 17 (2025). */
  readonly majorVersion: number;
  readonly pathMap: Readonly<Record<string, string>>;
  readonly logins: readonly LoginEntry[];
  /** What the instance's clock shows when it starts; undefined: this machine's time. */
  readonly clockStart: Date | undefined;
  /** Its seconds in one of this machine's; 0: it stands until it is moved over the control port. */
  readonly clockRate: number;
  /** Of its local time; undefined: UTC. */
  readonly timeZone: string | undefined;
  /** With --no-sync: files are not forced to the disk. */
  readonly hasty: boolean;
  /** The process ends itself when this one is gone. */
  readonly parentPid: number | undefined;
  readonly killPoint: KillPoint;
  /** Where the other instances are (linked/peers.ts); undefined: no peer port, no instance can be linked. */
  readonly peersFile: string | undefined;
  readonly peerPort: number;
  /** How long a mark waits for prepared transactions, or for another mark; undefined: the engine's own limit. */
  readonly markTimeoutMs: number | undefined;
  /** What is set from the start. */
  readonly faults: readonly FaultRequest[];
  /** undefined: the instance makes its own (certificate.ts). */
  readonly keyPair: KeyPair | undefined;
  readonly forceEncryption: boolean;
  /** False with --no-agent: SQL Server Agent does not run. */
  readonly agentRuns: boolean;
};

/** All mistakes of a command line at once. */
export class ConfigError extends Error {
  constructor(mistakes: readonly string[]) {
    super(mistakes.join('\n'));
    this.name = 'ConfigError';
  }
}

type Settings = Readonly<Record<string, unknown>>;
type Environment = Readonly<Record<string, string | undefined>>;
type ServerRole = 'sysadmin' | 'dbcreator' | 'securityadmin' | 'processadmin';

export const serverRoles: readonly ServerRole[] = ['sysadmin', 'dbcreator', 'securityadmin', 'processadmin'];
export const settingNames = [
  'port',
  'control-port',
  'data',
  'name',
  'version',
  'map',
  'login',
  'password-file',
  'clock',
  'clock-rate',
  'clock-mode',
  'time-zone',
  'no-sync',
  'logins',
  'no-agent',
  'peers',
  'peer-port',
  'mark-timeout',
  'fault',
  'tls-cert',
  'tls-key',
  'force-encryption',
];

/** Options win over the JSON file given with --config, whose keys are the option names (`map` an object, `logins` a list). */
export function readConfig(args: readonly string[], env: Environment): Config {
  const settings = readSettings(args);
  const mistakes = Object.keys(settings)
    .filter(key => !settingNames.includes(key))
    .map(key => `unknown setting "${key}"`);
  const text = (key: string): string | undefined => {
    const value = settings[key];
    if (value === undefined || typeof value === 'string') return value;
    mistakes.push(`${key} must be text`);
    return undefined;
  };
  const number = (key: string, otherwise: number, least: number, most: number): number => {
    const value = settings[key] ?? otherwise;
    const parsed =
      typeof value === 'number' ? value : typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : NaN;
    if (parsed >= least && parsed <= most) return parsed;
    mistakes.push(`${key} must be a number from ${least} to ${most}`);
    return otherwise;
  };
  const flag = (key: string): boolean => {
    const value = settings[key] ?? false;
    if (typeof value === 'boolean') return value;
    mistakes.push(`${key} must be true or false`);
    return false;
  };
  const required = (key: string, meaning: string): string => {
    const value = text(key);
    if (value === undefined || value === '') mistakes.push(`--${key} is missing: ${meaning}`);
    return value ?? '';
  };
  const config: Config = {
    port: number('port', 0, 0, 65_535),
    controlPort: number('control-port', 0, 0, 65_535),
    dataFolder: resolve(required('data', 'the folder for this instance')),
    serverName: required('name', 'the server name, for instance PRIMARY\\BTS'),
    majorVersion: readVersion(settings['version'], mistakes),
    pathMap: readMap(settings['map'], mistakes),
    logins: readLogins(settings, text, env, mistakes),
    clockStart: readClock(text('clock'), mistakes),
    clockRate: readClockRate(settings['clock-rate'], text('clock-mode'), mistakes),
    timeZone: readTimeZone(text('time-zone'), mistakes),
    hasty: flag('no-sync'),
    parentPid: readParent(env['STANDIN_PARENT_PID'], mistakes),
    killPoint: { dieAt: readKillPoint(env['STANDIN_DIE_AT'], mistakes), placesFile: env['STANDIN_PLACES'] },
    peersFile: text('peers') === undefined ? undefined : resolve(text('peers') ?? ''),
    peerPort: number('peer-port', 0, 0, 65_535),
    markTimeoutMs: settings['mark-timeout'] === undefined ? undefined : number('mark-timeout', 0, 1, 600_000),
    faults: readFaults(settings['fault'], mistakes),
    keyPair: readKeyPair(text('tls-cert'), text('tls-key'), mistakes),
    forceEncryption: flag('force-encryption'),
    agentRuns: !flag('no-agent'),
  };
  if (mistakes.length > 0) throw new ConfigError(mistakes);
  return config;
}

function readSettings(args: readonly string[]): Settings {
  const option = { type: 'string' } as const;
  const names = ['config', ...settingNames.filter(name => name !== 'map' && name !== 'logins')];
  const options = {
    ...Object.fromEntries(names.map(name => [name, option])),
    map: { ...option, multiple: true },
    fault: { ...option, multiple: true },
    'no-agent': { type: 'boolean' as const },
    'no-sync': { type: 'boolean' as const },
    'force-encryption': { type: 'boolean' as const },
  };
  let values: Record<string, unknown>;
  try {
    values = parseArgs({ args: [...args], options, strict: true }).values;
  } catch (error) {
    throw new ConfigError([error instanceof Error ? error.message : String(error)]);
  }
  const { config: file, ...given } = values;
  if (typeof file !== 'string') return given;
  const fromFile = readJson(file);
  return { ...fromFile, ...given };
}

function readJson(file: string): Settings {
  try {
    const parsed: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed as Settings;
  } catch (error) {
    throw new ConfigError([`--config ${file}: ${error instanceof Error ? error.message : String(error)}`]);
  }
  throw new ConfigError([`--config ${file} holds no JSON object`]);
}

/** `D:\Data=folder`, or an object in the file. Windows paths are text here; only the folders are paths of this machine. */
function readMap(value: unknown, mistakes: string[]): Record<string, string> {
  const pairs: [string, unknown][] = Array.isArray(value)
    ? value.map((entry: unknown) => {
        const [from = '', ...to] = String(entry).split('=');
        return [from, to.join('=')];
      })
    : Object.entries(value ?? {});
  const map: Record<string, string> = {};
  for (const [from, to] of pairs) {
    if (from === '' || typeof to !== 'string' || to === '')
      mistakes.push(`map "${from}" must be a Windows path=a folder`);
    else map[from] = resolve(to);
  }
  return map;
}

function readLogins(
  settings: Settings,
  text: (key: string) => string | undefined,
  env: Environment,
  mistakes: string[],
): LoginEntry[] {
  const file = text('password-file');
  const variable = env['STANDIN_PASSWORD'];
  const logins: LoginEntry[] = [];
  const listed = settings['logins'] ?? [];
  if (!Array.isArray(listed)) mistakes.push('logins must be a list');
  else for (const each of listed as unknown[]) logins.push(...readListedLogin(each, mistakes));
  const name = text('login') ?? (file === undefined && variable === undefined ? undefined : 'sa');
  if (name !== undefined) {
    const password = file === undefined ? variable : readPassword(file, mistakes);
    if (password === undefined) mistakes.push('a login needs --password-file or the variable STANDIN_PASSWORD');
    else logins.push(loginEntry(name, password, ['sysadmin'], name.includes('\\')));
    if (password === '') mistakes.push(`the password of ${name} is empty`);
  }
  if (logins.length === 0) mistakes.push('no login: give --login with --password-file or STANDIN_PASSWORD');
  return logins;
}

function readListedLogin(value: unknown, mistakes: string[]): LoginEntry[] {
  const { name, passwordFile, roles, windows = false } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof name !== 'string' || typeof passwordFile !== 'string') {
    mistakes.push('each of logins needs name and passwordFile');
    return [];
  }
  const wanted: unknown[] = Array.isArray(roles) ? roles : [];
  const known = serverRoles.filter(role => wanted.includes(role));
  if (known.length !== wanted.length) mistakes.push(`login ${name}: roles are ${serverRoles.join(', ')}`);
  if (windows !== windowsAccount.test(name))
    mistakes.push(`login ${name}: windows is true for names as DOMAIN\\account, and for no other`);
  const password = readPassword(passwordFile, mistakes);
  if (password === '') mistakes.push(`the password of ${name} is empty`);
  return password === undefined ? [] : [loginEntry(name, password, known, windows === true)];
}

/** As CREATE LOGIN … FROM WINDOWS wants it (15407). */
const windowsAccount = /^[^\\]+\\[^\\]+$/;

function loginEntry(name: string, password: string, roles: readonly ServerRole[], windows: boolean): LoginEntry {
  const serverRoles = new Set(roles);
  if (windows) return { login: { name, sid: windowsSid(name), serverRoles, windows }, password };
  // Any 16 bytes that stay the same for the name; 0x01 is sa on every server (unverified).
  const sid =
    name.toLowerCase() === 'sa'
      ? Uint8Array.of(1)
      : new Uint8Array(createHash('sha256').update(name.toLowerCase()).digest().subarray(0, 16));
  return { login: { name, sid, serverRoles }, password };
}

function readPassword(file: string, mistakes: string[]): string | undefined {
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    mistakes.push(`password file: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

const majorVersions: Readonly<Record<string, number>> = { 2016: 13, 2017: 14, 2019: 15, 2022: 16, 2025: 17 };

/** The name of a version or its major number. */
function readVersion(version: unknown, mistakes: string[]): number {
  const given = typeof version === 'string' || typeof version === 'number' ? String(version) : '';
  if (version === undefined) return 16;
  const found = majorVersions[given] ?? Object.values(majorVersions).find(major => String(major) === given);
  if (found === undefined) mistakes.push(`version must be ${Object.keys(majorVersions).join(', ')} or 13 to 17`);
  return found ?? 16;
}

function readClock(value: string | undefined, mistakes: string[]): Date | undefined {
  if (value === undefined) return undefined;
  const start = new Date(value);
  if (Number.isNaN(start.getTime())) mistakes.push('clock must be a time such as 2026-03-01T12:00:00Z');
  return start;
}

function readTimeZone(value: string | undefined, mistakes: string[]): string | undefined {
  if (value !== undefined && utcOffsetMinutes(value, new Date(0)) === undefined)
    mistakes.push('time-zone must be a name such as Australia/Brisbane');
  return value;
}

function readClockRate(rate: unknown, mode: string | undefined, mistakes: string[]): number {
  if (mode !== undefined && mode !== 'running' && mode !== 'manual')
    mistakes.push('clock-mode must be running or manual');
  if (mode === 'manual' && rate !== undefined)
    mistakes.push('clock-rate is for a clock that runs, not for --clock-mode manual');
  if (mode === 'manual') return 0;
  if (rate === undefined) return 1;
  const parsed = typeof rate === 'string' && rate.trim() !== '' ? Number(rate) : rate;
  if (typeof parsed === 'number' && parsed > 0 && parsed <= fastestRate) return parsed;
  mistakes.push(`clock-rate must be a number above 0, at most ${fastestRate}`);
  return 1;
}

function readParent(value: string | undefined, mistakes: string[]): number | undefined {
  if (value === undefined || value === '') return undefined;
  if (/^[1-9]\d*$/.test(value)) return Number(value);
  mistakes.push('STANDIN_PARENT_PID must be a process id');
  return undefined;
}

function readKillPoint(value: string | undefined, mistakes: string[]): KillPoint['dieAt'] {
  if (value === undefined) return undefined;
  const point = parseKillPoint(value);
  if (point === undefined)
    mistakes.push('STANDIN_DIE_AT must be a place and the number of its passing, as "rename instance.json:2"');
  return point;
}
