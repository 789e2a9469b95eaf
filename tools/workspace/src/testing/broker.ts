import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../../', import.meta.url));

export type Broker = { ok: true; brokers: string; stop: () => Promise<void> } | { ok: false; reason: string };

/** A real broker in a process of its own, as `tools/kafka` serves one; it ends with this process. Exit code 3 says what the machine lacks. */
export async function startBroker(folder: string): Promise<Broker> {
  const child = spawn(process.execPath, ['tools/kafka/src/main.ts', 'serve', '--data', folder], {
    cwd: root,
    env: { ...process.env, HOLDFAST_PARENT_PID: String(process.pid) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const ended = once(child, 'close');
  const ready = once(createInterface(child.stdout), 'line') as Promise<[string]>;
  const [first] = await Promise.race([ready, ended.then(() => [undefined])]);
  if (first !== undefined) {
    const { brokers } = JSON.parse(first) as { brokers: string };
    return { ok: true, brokers, stop: () => stop(child, ended) };
  }
  if (child.exitCode !== 3) throw new Error(`tools/kafka ended with ${child.exitCode ?? 'a signal'}: ${errors}`);
  return { ok: false, reason: errors.trim().split('\n').at(-1) ?? '' };
}

async function stop(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  child.kill();
  await ended;
}
