import type { Bench } from '../bench.ts';
import { withBrokers } from '../brokers.ts';
import { atMost, type Figure, figureOf, type Unmeasured } from '../figure.ts';
import { type MutationRound, startMeasuredCluster } from '../product-latency.ts';
import { fromRoot, type Measured, progressOf, roundsOf, runProgram } from '../program.ts';
import { percentile } from '../statistics.ts';

const events = { usual: 1_000, quick: 50 };
const everyMs = 10;
const goalsMs = { p50Ms: 10, p95Ms: 30 };
const product = 'mutation → effect';
const percents = { p50Ms: 50, p95Ms: 95 };
type Percentile = keyof typeof percents;
const numbers: readonly Percentile[] = ['p50Ms', 'p95Ms'];
const shortOf = (number: Percentile): string => number.slice(0, 3);

type Round = { readonly product: MutationRound | undefined; readonly bus: readonly Measured[] };

export const latencyBench: Bench = {
  name: 'latency',
  what: 'mutation answered → effect committed in the other service, at 100 per second',
  usualRounds: 3,
  async measure({ rounds, quick, folder, say }) {
    const count = quick ? events.quick : events.usual;
    const bus = (...more: readonly string[]): Promise<readonly Measured[]> =>
      runProgram(
        fromRoot('libs/messaging/bench/main.ts'),
        ['latency', '--rounds', '1', '--events', String(count), '--folder', folder, ...more],
        progressOf(say),
      );
    const kafka = await withBrokers(folder, say, brokers =>
      measureAll({ rounds, count, folder, say, brokers, bus: () => bus('--brokers', brokers) }),
    );
    const measured: readonly Round[] =
      kafka.kind === 'DONE' ? kafka.result : [{ product: undefined, bus: await bus() }];
    const ofBus = (name: string, number: Percentile) =>
      roundsOf(
        measured.flatMap(each => each.bus),
        name,
        number,
      );
    const figure = (number: Percentile): Figure => {
      const of = (what: 'effect' | 'answered' | 'whole'): number[] =>
        measured.flatMap(each => (each.product ? [percentile(each.product[what], percents[number])] : []));
      return figureOf(
        { name: `${product}, ${shortOf(number)}`, rounds: of('effect'), unit: 'ms' },
        [
          ofBus('raw kafkajs', number),
          { name: 'asked → answered', rounds: of('answered') },
          { name: 'asked → effect', rounds: of('whole') },
        ],
        value => [atMost(value, goalsMs[number], `${goalsMs[number]} ms`)],
      );
    };
    const busFigure =
      (name: string, peers: readonly string[]) =>
      (number: Percentile): Figure =>
        figureOf(
          { ...ofBus(name, number), name: `bus alone, ${name}, ${shortOf(number)}`, unit: 'ms' },
          peers.map(peer => ofBus(peer, number)),
        );
    const unmeasured: Unmeasured[] =
      kafka.kind === 'DONE' ? [] : [{ name: `${product} over Kafka`, unmeasured: kafka.why }];
    const looks = measured.flatMap(each => (each.product ? [each.product.lookMs] : []));
    return {
      figures: [
        ...(kafka.kind === 'DONE' ? [...numbers.map(figure), ...numbers.map(busFigure('Kafka', ['raw kafkajs']))] : []),
        ...unmeasured,
        ...numbers.map(busFigure('embedded', [])),
      ],
      notes: [
        `Gateway, four services and the broker, a process each: pauseStandby through the gateway, answered by shipping, one every ${everyMs} ms whether those before are answered or not; the effect is the row of restore's projection. 0 where the effect was there before the answer.`,
        ...(looks.length === 0
          ? []
          : [
              `The commit is seen from outside, by looking into restore's SQLite file all the time: later than it happened by at most ${Math.max(...looks).toFixed(1)} ms (95 % of the looks).`,
            ]),
        'Bus alone: from the commit of a transaction to the commit of its effect, through two stores, outbox, relay, bus and inbox in one process; no gateway, no GraphQL.',
        'Raw kafkajs: from the sending to the receipt, nothing stored.',
      ],
    };
  },
};

/** Round after round, the product and what stands beside it; the order turns around. */
async function measureAll({
  rounds,
  count,
  folder,
  say,
  brokers,
  bus,
}: {
  readonly rounds: number;
  readonly count: number;
  readonly folder: string;
  readonly say: (line: string) => void;
  readonly brokers: string;
  readonly bus: () => Promise<readonly Measured[]>;
}): Promise<readonly Round[]> {
  say('  starting the cluster …');
  const cluster = await startMeasuredCluster(folder, brokers);
  const measured: Round[] = [];
  try {
    for (let round = 1; round <= rounds; round += 1) {
      const peers = round % 2 === 1 ? undefined : await bus();
      const ofProduct = await cluster.measure(count, everyMs);
      const [p50, p95] = [50, 95].map(percent => percentile(ofProduct.effect, percent).toFixed(1));
      say(`  round ${round}  ${product}: p50 ${p50} ms, p95 ${p95} ms`);
      measured.push({ product: ofProduct, bus: peers ?? (await bus()) });
    }
    return measured;
  } finally {
    await cluster.stop();
  }
}
