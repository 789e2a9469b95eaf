import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Broker, startBroker } from './broker.ts';
import { install } from './installation.ts';
import type { Environment } from './java.ts';

const rounds = 5;
const figures = ['first start', 'start again', 'start after kill -9', 'stop'] as const;

/** What the README says in numbers, measured here and now: median and worst of some rounds, each on a new data folder. */
export async function measure(env: Environment): Promise<string> {
  // Fetching Kafka is not starting it.
  await install({ env, log: () => undefined });
  const seconds: Record<(typeof figures)[number], number[]> = {
    'first start': [],
    'start again': [],
    'start after kill -9': [],
    stop: [],
  };
  const residentMb: number[] = [];
  const timed = async <Result>(figure: (typeof figures)[number], work: () => Promise<Result>): Promise<Result> => {
    const from = performance.now();
    const result = await work();
    seconds[figure].push((performance.now() - from) / 1_000);
    return result;
  };
  for (let round = 0; round < rounds; round += 1) {
    const dataFolder = await mkdtemp(join(tmpdir(), 'holdfast-kafka-measure-'));
    const start = (): Promise<Broker> => startBroker({ dataFolder, env, log: () => undefined });
    try {
      const first = await timed('first start', start);
      residentMb.push(await residentMbOf(first.pid));
      await timed('stop', () => first.stop());
      const second = await timed('start again', start);
      await second.kill();
      const third = await timed('start after kill -9', start);
      await third.stop();
    } finally {
      await rm(dataFolder, { recursive: true, force: true });
    }
  }
  const lines = figures.map(figure => renderFigure(figure, seconds[figure], 's', 1));
  return [...lines, renderFigure('memory when ready', residentMb, 'MB', 0)].join('\n');
}

/** NaN where the system has no /proc. */
async function residentMbOf(pid: number): Promise<number> {
  if (process.platform !== 'linux') return NaN;
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1]) / 1024;
}

function renderFigure(name: string, values: readonly number[], unit: string, digits: number): string {
  const sorted = values.toSorted((a, b) => a - b);
  const [median = NaN, worst = NaN] = [sorted[Math.floor(sorted.length / 2)], sorted.at(-1)];
  return `${name.padEnd(20)} median ${median.toFixed(digits)} ${unit}, worst ${worst.toFixed(digits)} ${unit}`;
}
