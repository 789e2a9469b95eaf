import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fromRoot } from './program.ts';

export type StartFacts = {
  readonly readySeconds: number;
  readonly holdfastMebibytes: number;
  readonly allMebibytes: number;
};

const limitMs = 120_000;

/** `npm start` on a data folder until it says that it is ready; then it is looked at and stopped as Ctrl-C would. */
export async function startAndStop(dataFolder: string): Promise<StartFacts> {
  const script = process.env['npm_execpath'];
  const [command, before] = script === undefined ? ['npm', []] : [process.execPath, [script]];
  const args = [...before, 'start', '--', '--data', dataFolder, '--port', '0'];
  const startedAt = performance.now();
  const child = spawn(command, args, {
    cwd: fromRoot('.'),
    env: { ...process.env, HOLDFAST_PARENT_PID: String(process.pid) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const words: string[] = [];
  createInterface({ input: child.stderr }).on('line', line => words.push(line));
  const ended = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('close', code =>
      reject(new Error(`npm start ended (${code ?? 'killed'}):\n${words.slice(-20).join('\n')}`)),
    );
  });
  ended.catch(() => undefined);
  const late = new Promise<never>((_, reject) => {
    AbortSignal.timeout(limitMs).addEventListener('abort', () =>
      reject(new Error(`npm start took more than ${limitMs} ms`)),
    );
  });
  late.catch(() => undefined);
  const ready = new Promise<number>(resolve => {
    createInterface({ input: child.stdout }).on('line', line => {
      if (line === 'Holdfast is ready.') resolve((performance.now() - startedAt) / 1_000);
    });
  });
  try {
    const readySeconds = await Promise.race([ready, ended, late]);
    return { readySeconds, ...(await memoryOf(child.pid ?? 0, dataFolder)) };
  } finally {
    child.kill('SIGTERM');
    await Promise.race([ended.catch(() => undefined), late]);
  }
}

/** @throws Error where the system does not tell (only Linux does so without another program). */
async function memoryOf(root: number, dataFolder: string): Promise<Omit<StartFacts, 'readySeconds'>> {
  const { pid } = JSON.parse(await readFile(join(dataFolder, 'run', 'all-in-one.json'), 'utf8')) as { pid: number };
  const processes = await listProcesses();
  const holdfast = processes.find(each => each.pid === pid);
  if (holdfast === undefined) throw new Error('the memory of Holdfast could not be read');
  const family = new Set([root]);
  // Children come after their parents in no fixed order: until nothing is added any more.
  for (let before = 0; before !== family.size;) {
    before = family.size;
    for (const each of processes) if (family.has(each.parent)) family.add(each.pid);
  }
  const sum = processes.filter(each => family.has(each.pid)).reduce((total, each) => total + each.mebibytes, 0);
  return { holdfastMebibytes: holdfast.mebibytes, allMebibytes: sum };
}

type Seen = { readonly pid: number; readonly parent: number; readonly mebibytes: number };

async function listProcesses(): Promise<readonly Seen[]> {
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name));
  const seen = await Promise.all(
    pids.map(async pid => {
      // It may end while it is read.
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
      const number = (field: string): number => Number(new RegExp(`^${field}:\\s*(\\d+)`, 'm').exec(status)?.[1] ?? 0);
      return { pid: Number(pid), parent: number('PPid'), mebibytes: number('VmRSS') / 1_024 };
    }),
  );
  return seen.filter(({ parent }) => parent > 0);
}
