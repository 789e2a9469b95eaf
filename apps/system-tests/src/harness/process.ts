import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../../', import.meta.url));

/** Of a machine that has much else to do. */
const readyLimitMs = 60_000;

export type RunningApp = {
  readonly pid: number;
  readonly url: string;
  /** Once `/readyz` answers 200. Rejects with its output when it ends before. */
  ready(): Promise<void>;
  output(): string;
  stop(signal?: NodeJS.Signals): Promise<number | null>;
};

/** Starts one app with this environment and does not wait for anything. */
export function launchApp(name: string, port: number, env: Readonly<Record<string, string>>): RunningApp {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', programOf(name)], {
    cwd: root,
    env: { ...inherited(), HOLDFAST_PARENT_PID: String(process.pid), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (output += text.toString()));
  const url = `http://127.0.0.1:${port}`;
  return {
    pid: child.pid ?? 0,
    url,
    ready: () => ready(child, `${url}/readyz`, () => output),
    output: () => output,
    async stop(signal = 'SIGTERM') {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill(signal);
        await once(child, 'exit');
      }
      return child.exitCode;
    },
  };
}

/** Its sources or, within `npm test`, the bundle that it made of them, which is started with half the work. */
function programOf(name: string): string {
  const made = process.env['HOLDFAST_PROGRAMS'];
  return made === undefined ? `apps/${name}/src/main.ts` : join(made, 'apps', name, 'main.js');
}

/** No more than what a process needs to start: settings of whoever runs the tests must not reach it. */
function inherited(): Record<string, string> {
  return Object.fromEntries(
    ['PATH', 'NODE_COMPILE_CACHE'].flatMap(name => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

async function ready(child: ChildProcess, url: string, output: () => string): Promise<void> {
  const limit = AbortSignal.timeout(readyLimitMs);
  for (;;) {
    const end = child.exitCode ?? child.signalCode;
    if (end !== null) throw new Error(`ended with ${end} before it was ready:\n${output()}`);
    if (limit.aborted) throw new Error(`not ready in time:\n${output()}`);
    const answer = await fetch(url, { headers: { connection: 'close' } }).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer?.status === 200) return;
    await new Promise(resolve => setTimeout(resolve, 25));
  }
}
