import type { Bus, LogPlace } from '../bus.ts';
import { Connection } from './connection.ts';
import { eventIdHeader, OneByOneProducer } from './producer.ts';
import { type KafkaBusOptions, settingsOf } from './options.ts';
import { partitionName } from './reader.ts';
import { GroupMember } from './subscription.ts';

/**
 * The bus over Apache Kafka. Topics are made with their partitions and keep everything; a topic's partition is named with the identity of its
 * cluster, positions are the subscribers' own. Nothing of it waits for the broker when it is made: it is tried for ever, `check` says so.
 * @throws Error when an option makes no sense.
 */
export function createKafkaBus(options: KafkaBusOptions): Bus {
  const settings = settingsOf(options);
  const connection = new Connection(settings);
  const producer = new OneByOneProducer(settings, () => connection.suspect());
  const members = new Set<GroupMember>();
  /** By topic: the epoch in which its publisher was told whether the log still holds what it had sent. */
  const verified = new Map<string, number>();
  let closed = false;
  const refuseWhenClosed = (): void => {
    if (closed) throw new Error('The Kafka bus is closed.');
  };

  return {
    name: 'kafka',
    async register({ topics }) {
      refuseWhenClosed();
      connection.watch(topics, true);
    },
    async publish(topic, records) {
      refuseWhenClosed();
      connection.requireSeen(verified.get(topic));
      return producer.send(topic, records, partition => partitionName(partition, connection.clusterId));
    },
    async lost(topic, places) {
      refuseWhenClosed();
      const { epoch } = connection;
      const { clusterId, partitions } = await connection.describe(topic);
      for (const place of places) {
        const state = partitions.find(({ partition }) => partitionName(partition, clusterId) === place.partition);
        const how =
          state === undefined ? `it is not of cluster ${clusterId}` : await lostIn(connection, topic, place, state);
        if (how === undefined) continue;
        connection.lostLogs += 1;
        verified.set(topic, epoch);
        return `${topic}/${place.partition}: ${how}`;
      }
      verified.set(topic, epoch);
      return undefined;
    },
    epoch: () => connection.epoch,
    onEpoch: listener => {
      let { epoch } = connection;
      return connection.onChange(() => {
        if (epoch !== connection.epoch) listener();
        ({ epoch } = connection);
      });
    },
    check: () => connection.check(),
    stats: () => ({
      ...connection.stats(),
      heldBytes: [...members].reduce((sum, member) => sum + member.heldBytes(), 0),
    }),
    async subscribe(subscriber) {
      refuseWhenClosed();
      connection.watch(subscriber.topics, false);
      const member = new GroupMember(settings, connection, subscriber);
      members.add(member);
      return {
        lag: member.lag,
        problem: member.problem,
        stop: async () => {
          await member.stop();
          members.delete(member);
        },
      };
    },
    async close() {
      closed = true;
      await Promise.all([...members].map(member => member.stop()));
      await producer.close();
      await connection.close();
    },
  };
}

type State = Awaited<ReturnType<Connection['describe']>>['partitions'][number];

async function lostIn(
  connection: Connection,
  topic: string,
  { firstOffset, offset, eventId }: LogPlace,
  state: State,
): Promise<string | undefined> {
  if (BigInt(offset) >= state.high) return `it ends at ${state.high}, ${offset} was acknowledged`;
  if (BigInt(firstOffset) < state.low) return `it begins at ${state.low}, the events since ${firstOffset} are gone`;
  const found = await connection.recordAt(topic, state, offset);
  const foundId = found?.headers?.[eventIdHeader]?.toString('utf8');
  return foundId === eventId ? undefined : `at ${offset} it holds ${foundId ?? 'nothing'}, not ${eventId}`;
}
