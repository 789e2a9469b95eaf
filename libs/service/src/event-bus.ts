import { readFile } from 'node:fs/promises';
import { type Bus, createEmbeddedBus, createKafkaBus } from '@holdfast/messaging';
import type { Logger } from './logger.ts';
import { resolveSecret } from './secrets.ts';
import type { KafkaSettings } from './subgraph-settings.ts';

export type EventBusOptions = {
  /** Its name at the broker. */
  readonly service: string;
  readonly kafka: KafkaSettings | undefined;
  /** Where secret references `env:NAME` are looked up. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly logger: Logger;
};

/** As configured; without `kafka` the embedded one. @throws Error when a secret or the CA file cannot be read: never because the broker is away. */
export async function openEventBus({ service, kafka, env, logger }: EventBusOptions): Promise<Bus> {
  if (kafka === undefined) return createEmbeddedBus();
  const { brokers, tls, caFile, sasl, topics } = kafka;
  return createKafkaBus({
    brokers: brokers.split(',').map(address => address.trim()),
    clientId: `holdfast-${service}`,
    ...(tls ? { tls: caFile === undefined ? {} : { ca: await readCa(caFile) } } : {}),
    ...(sasl && {
      sasl: {
        mechanism: sasl.mechanism,
        username: await resolveSecret(sasl.username, { env }),
        password: await resolveSecret(sasl.password, { env }),
      },
    }),
    topics,
    log: logger,
  });
}

async function readCa(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new Error(`kafka.caFile: ${file} cannot be read.`, { cause });
  }
}
