import type { JsonSchema, PublishedContract } from '@holdfast/events/published';

/** Where a type's schema lies, beside the document that points to it. */
export const schemaPathOf = (type: string): string => `events/${type}.schema.json`;

const contentType = 'application/cloudevents+json';
const bindingVersion = '0.5.0';

const description = `What an integration job receives from Holdfast: CloudEvents 1.0 in structured mode (JSON) on Kafka.

Each event is the whole of what is known about its subject. Events of one key in one topic carry \`sequence\`, counted from 1 without a gap, and
stay in order; delivery is at least once, a repeat has the same \`id\`. Inside a version only optional fields are added: ignore what you do not know.
\`examples/README.md\` says the rest.`;

/**
 * AsyncAPI 3.0 as seen by a consumer: its operations receive. Payloads point to the schema files, which use only what JSON Schema draft 7 (the
 * language of AsyncAPI 3) and 2020-12 have in common.
 */
export function asyncApiDocument(contracts: readonly PublishedContract[]) {
  const topics = [...new Set(contracts.map(({ topic }) => topic))].sort();
  const of = (topic: string) => contracts.filter(contract => contract.topic === topic);
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Holdfast events',
      // The versions that count are those of the types and topics; this document describes version 1 of them.
      version: '1.0.0',
      description,
      license: { name: 'Apache-2.0' },
    },
    defaultContentType: contentType,
    servers: {
      kafka: {
        host: '{brokers}',
        protocol: 'kafka',
        description:
          'The Kafka cluster of the installation; with TLS and SCRAM where it is configured so (kafka-secure).',
        variables: { brokers: { description: 'host:port of its brokers', default: '127.0.0.1:9092' } },
      },
    },
    channels: Object.fromEntries(topics.map(topic => [nameOf(topic), channel(topic, of(topic))])),
    operations: Object.fromEntries(topics.map(topic => [`receive-${nameOf(topic)}`, receive(topic, of(topic))])),
    components: { messages: Object.fromEntries(contracts.map(contract => [contract.type, message(contract)])) },
  };
}

/** `holdfast.backup.v1` is the channel `backup-v1`. */
const nameOf = (topic: string): string => topic.split('.').slice(1).join('-');

function channel(topic: string, contracts: readonly PublishedContract[]) {
  return {
    address: topic,
    description: 'Kept for ever (retention.ms -1, no compaction): a consumer may always begin at the start.',
    messages: Object.fromEntries(contracts.map(({ type }) => [type, { $ref: `#/components/messages/${type}` }])),
    bindings: {
      kafka: {
        topic,
        topicConfiguration: { 'cleanup.policy': ['delete'], 'retention.ms': -1 },
        bindingVersion,
      },
    },
  };
}

function receive(topic: string, contracts: readonly PublishedContract[]) {
  const channelRef = `#/channels/${nameOf(topic)}`;
  return {
    action: 'receive',
    channel: { $ref: channelRef },
    messages: contracts.map(({ type }) => ({ $ref: `${channelRef}/messages/${type}` })),
  };
}

function message({ type, key, subject, schema }: PublishedContract) {
  return {
    name: type,
    title: type,
    summary: `The message key is data.${key}, the subject data.${subject}.`,
    contentType,
    payload: { $ref: `./${schemaPathOf(type)}` },
    bindings: { kafka: { key: keySchema(schema, key), bindingVersion } },
  };
}

/** The key has its field's schema. */
function keySchema(schema: JsonSchema, key: string): unknown {
  const fieldsOf = (part: unknown) => (part as { properties: Record<string, unknown> }).properties;
  return fieldsOf(fieldsOf(schema)['data'])[key];
}
