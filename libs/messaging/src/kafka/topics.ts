import type { Broker } from './internals.ts';
import { maxMessageBytes, type Settings } from './options.ts';
import type { KafkaProblem } from './problem.ts';

/** `low`: the first offset that is there. `high`: the next one to be given. */
export type PartitionState = {
  readonly partition: number;
  readonly leader: number;
  readonly low: bigint;
  readonly high: bigint;
};
export type TopicState = readonly PartitionState[];

/** Events are kept for ever: a consumer that is rebuilt reads them from the first. */
const topicConfig = [
  { name: 'cleanup.policy', value: 'delete' },
  { name: 'retention.ms', value: '-1' },
  { name: 'retention.bytes', value: '-1' },
  { name: 'max.message.bytes', value: String(maxMessageBytes) },
];
const topicResource = 2;

export async function createTopic(
  controller: Broker,
  topic: string,
  { partitions, replication, log }: Settings,
): Promise<void> {
  try {
    await controller.createTopics({
      topics: [{ topic, numPartitions: partitions, replicationFactor: replication, configEntries: topicConfig }],
    });
    log.info({ topic, partitions, replication }, 'topic made');
  } catch (error) {
    if (!exists(error)) throw error;
  }
}

/** Another service made it in the same moment. */
function exists(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const errors: unknown = Reflect.get(error, 'errors');
  if (Array.isArray(errors) && errors.length > 0) return errors.every(exists);
  return Reflect.get(error, 'type') === 'TOPIC_ALREADY_EXISTS';
}

/** What would lose or refuse events. Named, never changed: it is somebody's decision about this cluster. */
export async function shapeProblems(
  broker: Broker,
  states: ReadonlyMap<string, TopicState>,
  { partitions }: Settings,
): Promise<KafkaProblem[]> {
  if (states.size === 0) return [];
  const problems: KafkaProblem[] = [];
  for (const [topic, { length }] of states)
    if (length < partitions)
      problems.push({
        name: 'TOPIC_PARTITIONS',
        seen: `${topic} has ${length} partitions, ${partitions} are configured`,
        fix: 'Add partitions while nothing is published, or configure that number',
      });
  const { resources } = await broker.describeConfigs({
    resources: [...states.keys()].map(name => ({
      type: topicResource,
      name,
      configNames: [...topicConfig.map(({ name: entry }) => entry)],
    })),
  });
  for (const { resourceName: topic, configEntries } of resources) {
    const value = (name: string) => configEntries.find(({ configName }) => configName === name)?.configValue;
    const [policy, ms, bytes, message] = topicConfig.map(({ name }) => value(name));
    if (policy !== 'delete' || ms !== '-1' || bytes !== '-1')
      problems.push({
        name: 'TOPIC_RETENTION',
        seen: `${topic} does not keep its events for ever (cleanup.policy=${policy ?? '?'}, retention.ms=${ms ?? '?'}, retention.bytes=${bytes ?? '?'})`,
        fix: 'Set cleanup.policy=delete, retention.ms=-1 and retention.bytes=-1',
      });
    if (Number(message) < maxMessageBytes)
      problems.push({
        name: 'TOPIC_MESSAGE_SIZE',
        seen: `${topic} takes messages of ${message ?? '?'} bytes, events may need ${maxMessageBytes}`,
        fix: `Set max.message.bytes=${maxMessageBytes}`,
      });
  }
  return problems;
}

/** Signs that a log is not the one it was: it ended earlier, began later, or has other partitions. */
export function changedUnderUs(before: ReadonlyMap<string, TopicState>, now: ReadonlyMap<string, TopicState>): boolean {
  return [...before].some(([topic, partitions]) => {
    const found = now.get(topic);
    if (found?.length !== partitions.length) return true;
    return found.some(({ low, high }, i) => {
      const was = partitions[i];
      return was === undefined || high < was.high || low > was.low;
    });
  });
}
