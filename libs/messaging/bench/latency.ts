import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { overEmbedded, overKafka } from './buses.ts';
import { sendAndReceive } from './raw-kafka.ts';
import { type Buses, type Services, startServices } from './services.ts';

export type LatencyOptions = {
  readonly rounds: number;
  /** Of every measurement, 100 per second. */
  readonly events: number;
  readonly folder: string;
  /** Undefined: nothing over Kafka is measured. */
  readonly brokers: readonly string[] | undefined;
};

export type Measured = {
  readonly measured: string;
  readonly round: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
};

const everyMs = 10;

/** Round after round, each with every candidate; the order turns around. */
export async function* latencyRounds({ rounds, events, folder, brokers }: LatencyOptions): AsyncGenerator<Measured> {
  type Place = { readonly folder: string; readonly topic: string };
  const candidates: [string, (place: Place) => Promise<readonly number[]>][] = [
    ['embedded', place => overEmbedded(buses => latenciesOf(buses, place, events))],
  ];
  if (brokers !== undefined)
    candidates.push(
      ['Kafka', place => overKafka(brokers, buses => latenciesOf(buses, place, events))],
      ['raw kafkajs', ({ topic }) => sendAndReceive(brokers, topic, events, everyMs)],
    );
  for (let round = 1; round <= rounds; round += 1) {
    for (const [measured, run] of round % 2 === 1 ? candidates : candidates.toReversed()) {
      const own = await mkdtemp(join(folder, 'latency-'));
      const sorted = (await run({ folder: own, topic: `bench.${randomUUID()}` })).toSorted((a, b) => a - b);
      await rm(own, { recursive: true, force: true });
      const rank = (percent: number): number => sorted[Math.ceil((percent / 100) * sorted.length) - 1] ?? NaN;
      yield { measured, round, p50Ms: rank(50), p95Ms: rank(95) };
    }
  }
}

/** A transaction of one event every 10 ms; milliseconds from its answer until its effect is committed. */
async function latenciesOf(
  buses: Buses,
  place: { readonly folder: string; readonly topic: string },
  events: number,
): Promise<readonly number[]> {
  const answeredAt = new Map<number, number>();
  const latenciesMs: number[] = [];
  const first = Promise.withResolvers<undefined>();
  const last = Promise.withResolvers<undefined>();
  const services = await startServices(buses, place, numbers => {
    const now = performance.now();
    first.resolve(undefined);
    for (const n of numbers.filter(each => each > 0)) latenciesMs.push(now - (answeredAt.get(n) ?? now));
    if (latenciesMs.length >= events) last.resolve(undefined);
  });
  try {
    await warmUp(services, first.promise);
    const startedAt = performance.now();
    for (let n = 1; n <= events; n += 1) {
      await pause(Math.max(0, startedAt + n * everyMs - performance.now()));
      await services.raise(n, n);
      answeredAt.set(n, performance.now());
    }
    await last.promise;
    return latenciesMs;
  } finally {
    await services.stop();
  }
}

/** One event through all of it before anything is measured: topics are made, groups joined. */
export async function warmUp(services: Services, received: Promise<unknown>): Promise<void> {
  await services.raise(0, 0);
  await received;
}
