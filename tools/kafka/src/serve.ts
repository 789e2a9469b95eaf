import { untilAskedToEnd, writeAnnouncement } from '@holdfast/run';
import { type BrokerOptions, startBroker } from './broker.ts';
import type { Environment } from './java.ts';
import { diedError } from './launch.ts';

/** One broker in the foreground, until this process is asked to end or its parent is gone. @throws KafkaError BROKER_DIED when it dies. */
export async function serve(options: BrokerOptions & { readonly env: Environment }): Promise<void> {
  const { env, log } = options;
  const asked = untilAskedToEnd({ env });
  const starting = startBroker(options);
  starting.catch(() => undefined);
  // Asked to end while it still starts: the broker, if there is one yet, sees us go.
  const broker = await Promise.race([starting, asked]);
  if (typeof broker === 'string') return;
  const { brokers, security, logFile, pid, username, passwordFile, caFile, guest } = broker;
  writeAnnouncement({ brokers, pid, security, logFile, username, passwordFile, caFile, guest });
  const end = await Promise.race([asked, broker.exited]);
  if (typeof end !== 'string') throw diedError(end, 'while it was in use');
  log(`Stopping (${end}) …`);
  await broker.stop();
}
