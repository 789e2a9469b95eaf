import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { startBroker } from '../testing/broker.ts';
import { pythonEnvironment } from './python-environment.ts';
import { type Sample, sampleEvents } from './sample-events.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'holdfast-examples-'));
const [broker, python] = await Promise.all([
  startBroker(join(folder, 'broker')),
  pythonEnvironment(join(root, 'examples/requirements.txt'), join(root, 'node_modules/.cache/holdfast-examples')),
]);

/** Why a consumer cannot run on this machine, or how to run it. */
const consumers = [
  {
    name: 'consumer.ts',
    problem: broker.ok ? undefined : broker.reason,
    command: [process.execPath, '--disable-warning=TimeoutNegativeWarning'],
  },
  {
    name: 'consumer.py',
    problem: broker.ok ? (python.ok ? undefined : python.reason) : broker.reason,
    command: [python.ok ? python.python : ''],
  },
];
/** A machine that lacks something says what; continuous integration must not lack anything. */
const runs = consumers.filter(({ problem }) => problem === undefined);
function itWhereItCan(what: string, consumer: (typeof consumers)[number], test: () => void): void {
  const { problem } = consumer;
  if (problem === undefined) it(what, test);
  else if (process.env['CI'] === 'true')
    it(what, () => {
      throw new Error(problem);
    });
  else it.skip(`${what} (${problem})`, test);
}

type Totals = { events: number; duplicates: number; invalid: number; outOfOrder: number };
type Line = { verdict: keyof Totals; id?: string | null };
type Ran = { status: number | null; lines: Line[]; totals: Totals; errors: string };

const samples = sampleEvents().filter(({ topic }) => !/\.(internal|dead-letter)\./.test(topic));
const repeated = samples.slice(0, 7);
const [sound, bad] = [new Map<string, Ran>(), new Map<string, Ran>()];

beforeAll(async () => {
  if (!broker.ok) return;
  const kafka = new Kafka({ brokers: [broker.brokers], logLevel: logLevel.NOTHING });
  const [admin, producer] = [kafka.admin(), kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })];
  try {
    await Promise.all([admin.connect(), producer.connect()]);
    const topics = [...new Set(samples.map(({ topic }) => topic))];
    await admin.createTopics({ topics: topics.map(topic => ({ topic, numPartitions: 3 })) });
    const publish = async (messages: readonly { topic: string; key: string; value: string | null }[]) => {
      for (const { topic, ...message } of messages) await producer.send({ topic, messages: [message] });
    };

    await publish([...samples, ...repeated].map(messageOf));
    await runAll(sound, broker.brokers);
    await publish(badMessages());
    await runAll(bad, broker.brokers);
  } finally {
    await Promise.all([admin.disconnect(), producer.disconnect()]);
  }
}, 180_000);

afterAll(async () => {
  if (broker.ok) await broker.stop();
  await rm(folder, { recursive: true, force: true });
}, 30_000);

describe.each(consumers)('examples/$name', consumer => {
  const { name } = consumer;

  itWhereItCan('reads every event of every type from the start, in order, and knows the repeats', consumer, () => {
    const { status, lines, totals, errors } = sound.get(name)!;
    expect({ status, totals, errors: status === 0 ? '' : errors }).toEqual({
      status: 0,
      totals: { events: samples.length, duplicates: repeated.length, invalid: 0, outOfOrder: 0 },
      errors: '',
    });
    const read = lines.filter(({ verdict }) => verdict === 'events').map(({ id }) => id);
    expect(read.toSorted()).toEqual(samples.map(({ event }) => event.id).toSorted());
  });

  it('is 40 lines of code', () => {
    const lines = readFileSync(join(root, 'examples', name), 'utf8').split('\n');
    expect(lines.filter(line => !/^\s*(\/\/.*|#.*)?$/.test(line)).length).toBeLessThanOrEqual(40);
  });

  itWhereItCan('finds what breaks its contract and what is missing, and fails', consumer, () => {
    const { status, totals } = bad.get(name)!;
    expect({ status, totals }).toEqual({
      status: 1,
      totals: { events: samples.length, duplicates: repeated.length, invalid: badMessages().length - 1, outOfOrder: 1 },
    });
  });
});

const messageOf = ({ topic, event }: Sample) => ({ topic, key: event.partitionkey, value: JSON.stringify(event) });

/** One gap in a sequence, and one of each that nobody may take for an event. */
function badMessages() {
  const last = samples.at(-1)!;
  const next = { ...last.event, id: '0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b6' };
  const afterNext = String(Number(last.event.sequence) + 2).padStart(12, '0');
  const { groupId: _groupId, ...withoutKey } = last.event.data as Record<string, unknown>;
  const gap = messageOf({ ...last, event: { ...next, sequence: afterNext } });
  const sent = (event: unknown) => ({ ...gap, value: JSON.stringify(event) });
  return [
    gap,
    sent({ ...next, data: withoutKey }),
    sent({ ...next, dataschema: `${next.dataschema}2` }),
    sent(null),
    { ...gap, key: 'another key' },
    { ...gap, value: 'not JSON' },
    { ...gap, value: null },
  ];
}

async function runAll(into: Map<string, Ran>, brokers: string): Promise<void> {
  await Promise.all(
    runs.map(async ({ name, command: [program = '', ...options] }) => {
      into.set(name, await runConsumer(program, [...options, join('examples', name), '--until-idle', '5'], brokers));
    }),
  );
}

async function runConsumer(program: string, args: readonly string[], brokers: string): Promise<Ran> {
  const env = { ...process.env, KAFKA_BROKERS: brokers };
  const child = spawn(program, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const [lines, errors] = await Promise.all([child.stdout.toArray(), child.stderr.toArray(), once(child, 'close')]);
  const printed = Buffer.concat(lines as Buffer[])
    .toString()
    .trim()
    .split(/\r?\n/)
    .map(line => JSON.parse(line) as unknown);
  return {
    status: child.exitCode,
    lines: printed.slice(0, -1) as Line[],
    totals: printed.at(-1) as Totals,
    errors: Buffer.concat(errors as Buffer[]).toString(),
  };
}
