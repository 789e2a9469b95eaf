import type { Bench } from '../bench.ts';
import { withBrokers } from '../brokers.ts';
import { atLeast, type Figure, figureOf, type Unmeasured } from '../figure.ts';
import { fromRoot, type Measured, progressOf, roundsOf, runProgram } from '../program.ts';

const events = { usual: 10_000, quick: 300 };
const goals = { embedded: 5_000, Kafka: 3_000 };
/** Events of one transaction. */
const sizes = [1, 20];

export const eventsBench: Bench = {
  name: 'events',
  what: 'events per second, committed state and outbox → bus → inbox and effect',
  usualRounds: 5,
  async measure({ rounds, quick, folder, say }) {
    const count = quick ? events.quick : events.usual;
    const args = ['events', '--rounds', String(rounds), '--events', String(count), '--folder', folder];
    const run = (...more: readonly string[]): Promise<readonly Measured[]> =>
      runProgram(fromRoot('libs/messaging/bench/main.ts'), [...args, ...more], progressOf(say));
    const kafka = await withBrokers(folder, say, brokers => run('--brokers', brokers));
    const measured = kafka.kind === 'DONE' ? kafka.result : await run();
    const of = (name: string) => roundsOf(measured, name, 'eventsPerSecond');
    const figure = (bus: keyof typeof goals, each: number, peers: readonly string[]): Figure =>
      figureOf({ ...of(`${bus}, ${each} per transaction`), unit: 'events/s' }, peers.map(of), value => [
        atLeast(value, goals[bus], goals[bus].toLocaleString('en-US')),
      ]);
    const unmeasured: Unmeasured[] = kafka.kind === 'DONE' ? [] : [{ name: 'Kafka', unmeasured: kafka.why }];
    return {
      figures: [
        ...sizes.map(each => figure('embedded', each, [`raw SQLite, ${each} per transaction`])),
        ...(kafka.kind === 'DONE' ? sizes : []).map(each =>
          figure('Kafka', each, ['raw kafkajs', `raw SQLite, ${each} per transaction`]),
        ),
        ...unmeasured,
      ],
      notes: [
        `${count} events of some 0.9 KB, eight keys, from the first transaction to the commit of the last effect; two stores, one process.`,
        'Raw SQLite: the same rows and transactions in node:sqlite alone, effects in transactions of 100: the limit of this disk.',
        ...(kafka.kind === 'DONE'
          ? [`Kafka: ${kafka.where}; raw kafkajs sends and receives the same records and stores nothing.`]
          : []),
      ],
    };
  },
};
