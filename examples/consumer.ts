// Reads every event that integration jobs get, from the start, and checks each: its schema, repeats, the order of its key.
// KAFKA_BROKERS=127.0.0.1:9092 node examples/consumer.ts [--until-idle SECONDS]      (README.md beside it; needs kafkajs and ajv)
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { type EachMessagePayload, Kafka, logLevel } from 'kafkajs';

type Event = { id: string; type: string; dataschema: string; partitionkey: string; sequence: string };
const file = (path = ''): string => readFileSync(path, 'utf8').trim();
const read = (path: string): unknown => JSON.parse(file(`${import.meta.dirname}/../contracts/${path}`));
const { events } = read('index.json') as { events: { topic: string; dataschema: string; schema: string }[] };
const ajv = new Ajv2020({ validateFormats: false }); // Every format in these schemas has its pattern beside it.
const schemas = new Map(events.map(known => [known.dataschema, ajv.compile<Event>(read(known.schema) as object)]));

const { KAFKA_BROKERS: brokers = '', KAFKA_USERNAME: username, KAFKA_PASSWORD_FILE, KAFKA_CA_FILE: ca } = process.env;
if (brokers === '') throw new Error('KAFKA_BROKERS is not set');
const sasl = username && { mechanism: 'scram-sha-256' as const, username, password: file(KAFKA_PASSWORD_FILE) };
const security = { ...(sasl && { sasl }), ...(ca && { ssl: { ca: file(ca) } }) };
const kafka = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.ERROR, ...security });
// A job keeps its group's name, and writes `seen` and `last` in the transaction of its effect.
const consumer = kafka.consumer({ groupId: `holdfast-example-${crypto.randomUUID()}`, maxWaitTimeInMs: 250 });
const [seen, last] = [new Set<string>(), new Map<string, number>()];
const totals = { events: 0, duplicates: 0, invalid: 0, outOfOrder: 0 };

function verdictOn(event: Event | null, topic: string, key: string | undefined): keyof typeof totals {
  // A job passes over a type that it does not know; this one is here to find it.
  if (!schemas.get(event?.dataschema ?? '')?.(event) || event.partitionkey !== key) return 'invalid';
  if (seen.has(event.id)) return 'duplicates';
  const before = last.get(`${topic} ${key}`) ?? 0;
  seen.add(event.id);
  last.set(`${topic} ${key}`, Number(event.sequence));
  return Number(event.sequence) === before + 1 ? 'events' : 'outOfOrder';
}

async function eachMessage({ topic, partition, message: { key, value, offset } }: EachMessagePayload): Promise<void> {
  idle.refresh();
  const event = (await new Response(value && new Uint8Array(value)).json().catch(() => null)) as Event | null;
  const verdict = verdictOn(event, topic, key?.toString());
  totals[verdict] += 1;
  if (verdict === 'invalid' || verdict === 'outOfOrder') process.exitCode = 1;
  console.log(JSON.stringify({ verdict, topic, partition, offset, type: event?.type, id: event?.id }));
}

const { 'until-idle': seconds = '1e6' } = parseArgs({ options: { 'until-idle': { type: 'string' } } }).values;
process.once('beforeExit', () => console.log(JSON.stringify(totals)));
await consumer.connect();
await consumer.subscribe({ topics: events.map(({ topic }) => topic), fromBeginning: true });
const idle = setTimeout(() => void consumer.disconnect(), Number(seconds) * 1000);
await consumer.run({ eachMessage }).then(() => idle.refresh());
