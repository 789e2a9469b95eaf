import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { overEmbedded, overKafka } from './buses.ts';
import { warmUp } from './latency.ts';
import { produceAndConsume } from './raw-kafka.ts';
import { sendRaw } from './raw-sqlite.ts';
import { type Buses, startServices } from './services.ts';

export type EventsOptions = {
  readonly rounds: number;
  /** Of every measurement. */
  readonly events: number;
  /** On the disk that is to be measured. */
  readonly folder: string;
  /** Undefined: nothing over Kafka is measured. */
  readonly brokers: readonly string[] | undefined;
};

export type Measured = { readonly measured: string; readonly round: number; readonly eventsPerSecond: number };

type Place = { readonly folder: string; readonly topic: string };

/** Events of one transaction: a command raises one, a runner's look at a group a handful. */
const sizes = [1, 20];

/** Round after round, each with every candidate; the order turns around, so that nobody always runs first. */
export async function* eventsRounds({ rounds, events, folder, brokers }: EventsOptions): AsyncGenerator<Measured> {
  const candidates = sizes.flatMap((each): [string, (place: Place) => Promise<number>][] => [
    [`raw SQLite, ${each} per transaction`, async place => sendRaw({ ...place, events, each })],
    [`embedded, ${each} per transaction`, place => overEmbedded(buses => sendThrough(buses, place, events, each))],
    ...(brokers === undefined
      ? []
      : [
          [
            `Kafka, ${each} per transaction`,
            (place: Place) => overKafka(brokers, buses => sendThrough(buses, place, events, each)),
          ] satisfies [string, unknown],
        ]),
  ]);
  if (brokers !== undefined) candidates.push(['raw kafkajs', ({ topic }) => produceAndConsume(brokers, topic, events)]);
  for (let round = 1; round <= rounds; round += 1) {
    for (const [measured, run] of round % 2 === 1 ? candidates : candidates.toReversed()) {
      const own = await mkdtemp(join(folder, 'events-'));
      const seconds = await run({ folder: own, topic: `bench.${randomUUID()}` });
      await rm(own, { recursive: true, force: true });
      yield { measured, round, eventsPerSecond: events / seconds };
    }
  }
}

/** Transactions of `each` events; seconds from the first one until the effect of the last event is committed. */
async function sendThrough(buses: Buses, place: Place, events: number, each: number): Promise<number> {
  let applied = 0;
  let isWarm = false;
  const last = Promise.withResolvers<undefined>();
  const first = Promise.withResolvers<undefined>();
  const services = await startServices(buses, place, numbers => {
    if (!isWarm) {
      first.resolve(undefined);
      return;
    }
    applied += numbers.length;
    if (applied >= events) last.resolve(undefined);
  });
  try {
    await warmUp(services, first.promise);
    isWarm = true;
    const startedAt = performance.now();
    for (let done = 0; done < events; done += each) {
      await services.raise(done + 1, Math.min(done + each, events));
      // As callers do who come over a socket; the store itself would never leave the microtasks.
      await setImmediate();
    }
    await last.promise;
    const seconds = (performance.now() - startedAt) / 1_000;
    await services.assertReceived(events + 1);
    return seconds;
  } finally {
    await services.stop();
  }
}
