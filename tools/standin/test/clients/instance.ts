/** A whole instance in a process of its own, for clients that share nothing with it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { compileCache, standinMain } from '../standin-main.ts';

export const password = 'Pa55-wörd';
export const serverName = 'CLIENTS\\ONE';
/** Its backup folder; a folder of this machine behind it. */
export const backupFolder = 'D:\\Backup';

export type Instance = {
  readonly port: number;
  readonly controlPort: number;
  readonly pid: number;
  /** Of the inspector; undefined when it was not asked for. */
  readonly inspector: Promise<string> | undefined;
  /** A folder of this machine that goes away with the instance. */
  readonly scratch: string;
  /** SIGTERM, and its exit code. */
  stop(): Promise<number | null>;
};

export type InstanceLogin = {
  readonly name: string;
  readonly roles: readonly string[];
  readonly windows?: boolean;
};

export type InstanceOptions = {
  /** With V8's inspector, which can collect garbage and count what is left. */
  readonly inspected?: boolean;
};

/** `sa` and the given logins, all with one password. */
export async function startInstance(
  logins: readonly InstanceLogin[] = [],
  { inspected = false }: InstanceOptions = {},
): Promise<Instance> {
  const folder = mkdtempSync(join(tmpdir(), 'standin-clients-'));
  const scratch = join(folder, 'scratch');
  mkdirSync(scratch);
  const passwordFile = join(folder, 'password');
  writeFileSync(passwordFile, password);
  const config = {
    data: join(folder, 'data'),
    name: serverName,
    map: { [backupFolder]: join(folder, 'backup'), 'D:\\Data': join(folder, 'databases') },
    login: 'sa',
    'password-file': passwordFile,
    logins: logins.map(login => ({ ...login, passwordFile })),
  };
  mkdirSync(config.map[backupFolder]);
  mkdirSync(config.map['D:\\Data']);
  const configFile = join(folder, 'config.json');
  writeFileSync(configFile, JSON.stringify(config));
  const flags = ['--disable-warning=ExperimentalWarning', ...(inspected ? ['--inspect=127.0.0.1:0'] : [])];
  const child = spawn(process.execPath, [...flags, standinMain, '--config', configFile], {
    stdio: ['ignore', 'pipe', inspected ? 'pipe' : 'inherit'],
    env: { ...process.env, NODE_COMPILE_CACHE: compileCache, STANDIN_PARENT_PID: String(process.pid) },
  });
  const inspector = child.stderr === null ? undefined : inspectorOf(child.stderr);
  if (child.stdout === null) throw new Error('its stdout is a pipe');
  const ended = exitOf(child);
  for await (const line of createInterface({ input: child.stdout })) {
    const { port, controlPort, pid } = JSON.parse(line) as Pick<Instance, 'port' | 'controlPort' | 'pid'>;
    const stop = async (): Promise<number | null> => {
      child.kill('SIGTERM');
      const code = await ended;
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
      return code;
    };
    return { port, controlPort, pid, inspector, scratch, stop };
  }
  throw new Error(`the instance ended before it was ready: ${await ended}`);
}

/** Node says on stderr where it listens; the rest goes where it would have gone. */
function inspectorOf(stderr: NodeJS.ReadableStream): Promise<string> {
  return new Promise(resolve => {
    createInterface({ input: stderr }).on('line', line => {
      const [, url] = /^Debugger listening on (ws:\S+)$/.exec(line) ?? [];
      if (url !== undefined) resolve(url);
      else if (!/^(?:For help, see|Debugger (?:attached|ending)|Waiting for the debugger)/.test(line))
        process.stderr.write(`${line}\n`);
    });
  });
}

function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise(resolve => child.once('exit', code => resolve(code)));
}

/** What the instance counted itself; `broken`: its own mistakes. */
export async function statistics(instance: Instance): Promise<{ readonly broken: number; readonly sessions: number }> {
  const answer = await fetch(`http://127.0.0.1:${instance.controlPort}/statistics`);
  return (await answer.json()) as { readonly broken: number; readonly sessions: number };
}
