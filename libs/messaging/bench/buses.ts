import { createEmbeddedBus } from '../src/embedded.ts';
import { createKafkaBus } from '../src/kafka/bus.ts';
import type { Buses } from './services.ts';

/** Does the work over one bus, as in a single process. */
export async function overEmbedded<Result>(work: (buses: Buses) => Promise<Result>): Promise<Result> {
  const bus = createEmbeddedBus();
  try {
    return await work({ sender: bus, receiver: bus });
  } finally {
    await bus.close();
  }
}

/** Does the work over Kafka, each service with connections of its own, as in processes of their own. */
export async function overKafka<Result>(
  brokers: readonly string[],
  work: (buses: Buses) => Promise<Result>,
): Promise<Result> {
  const sender = createKafkaBus({ brokers, clientId: 'sender' });
  const receiver = createKafkaBus({ brokers, clientId: 'receiver' });
  try {
    return await work({ sender, receiver });
  } finally {
    await sender.close();
    await receiver.close();
  }
}
