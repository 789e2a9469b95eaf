import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from '@jest/globals';
import { isAlive } from './end.ts';
import { type RunningProcess, startProcess } from './process.ts';
import { type Supervised, supervise, type Supervision } from './supervised.ts';

const main = fileURLToPath(new URL('../test/child.ts', import.meta.url));
const started: RunningProcess[] = [];
const supervised: Supervised[] = [];
let said: string[] = [];

async function start(way = 'good'): Promise<RunningProcess> {
  const child = await startProcess({ name: 'child', main, args: [way], log: () => undefined });
  started.push(child);
  return child;
}

async function begin(supervision: Partial<Supervision> = {}): Promise<Supervised> {
  const kept = supervise(await start(), {
    startAgain: () => start(),
    say: line => said.push(line),
    pausesMs: { first: 5, longest: 20, steady: 1_000 },
    clock: () => 0,
    ...supervision,
  });
  supervised.push(kept);
  return kept;
}

async function untilStarted(count: number): Promise<void> {
  const limit = AbortSignal.timeout(20_000);
  while (started.length < count || said.filter(line => line.includes('is ready again')).length < count - 1) {
    if (limit.aborted) throw new Error(`not in time: ${said.join(' | ')}`);
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}

const pausesSaid = (): string[] => said.flatMap(line => /again in (.*) s …/.exec(line)?.[1] ?? []);

afterEach(async () => {
  await Promise.all(supervised.splice(0).map(kept => kept.stop()));
  await Promise.all(started.splice(0).map(child => child.kill()));
  said = [];
});

describe('supervise', () => {
  it('starts again what was killed, with longer and longer pauses', async () => {
    await begin();
    for (let count = 1; count <= 4; count += 1) {
      await started.at(-1)?.kill();
      await untilStarted(count + 1);
    }
    expect(said.slice(0, 3)).toEqual([
      'child ended by itself (SIGKILL).',
      'Starting child again in 0.005 s …',
      'child is ready again.',
    ]);
    expect(pausesSaid()).toEqual(['0.005', '0.01', '0.02', '0.02']);
  });

  it('says why it could not be started and tries on', async () => {
    const ways = ['fails', 'fails', 'good'];
    await begin({ startAgain: () => start(ways.shift()) });
    await started[0]?.kill();
    await untilStarted(2);
    expect(said.filter(line => line.includes('the disk is missing'))).toHaveLength(2);
    expect(pausesSaid()).toEqual(['0.005', '0.01', '0.02']);
  });

  it('begins with the first pause again when it had been up for long', async () => {
    let now = 0;
    await begin({ clock: () => now });
    for (let count = 1; count <= 3; count += 1) {
      if (count === 3) now += 1_000;
      await started.at(-1)?.kill();
      await untilStarted(count + 1);
    }
    expect(pausesSaid()).toEqual(['0.005', '0.01', '0.005']);
  });

  it('stops the one that runs and starts no other', async () => {
    const kept = await begin();
    await started[0]?.kill();
    await untilStarted(2);
    await kept.stop();
    expect(started.map(({ pid }) => isAlive(pid))).toEqual([false, false]);
    expect(started).toHaveLength(2);
  });

  it('is stopped within a pause, and while it starts', async () => {
    const pausing = await begin({ pausesMs: { first: 60_000, longest: 60_000, steady: 60_000 } });
    await started[0]?.kill();
    await pausing.stop();
    expect(started).toHaveLength(1);

    const starting = Promise.withResolvers<undefined>();
    const kept = await begin({
      startAgain: () => {
        starting.resolve(undefined);
        return start();
      },
    });
    await started[1]?.kill();
    await starting.promise;
    await kept.stop();
    expect(started).toHaveLength(3);
    expect(started.some(({ pid }) => isAlive(pid))).toBe(false);
  });
});
