import { join } from 'node:path';
import { startBroker } from '@holdfast/kafka';
import { existingBrokers } from '@holdfast/run';

export type WithBrokers<Result> =
  | { readonly kind: 'DONE'; readonly result: Result; readonly where: string }
  /** There is no broker, and this is why. */
  | { readonly kind: 'NO_BROKER'; readonly why: string };

/** Does the work with the cluster that KAFKA_BROKERS names, or else with a broker of its own for as long as that takes. */
export async function withBrokers<Result>(
  folder: string,
  say: (line: string) => void,
  work: (brokers: string) => Promise<Result>,
): Promise<WithBrokers<Result>> {
  const known = existingBrokers(process.env);
  if (known !== undefined) return { kind: 'DONE', result: await work(known), where: `the cluster at ${known}` };
  const started = await startBroker({ dataFolder: join(folder, 'kafka'), log: say }).catch((error: unknown) =>
    error instanceof Error ? error.message : String(error),
  );
  if (typeof started === 'string') return { kind: 'NO_BROKER', why: started };
  try {
    return { kind: 'DONE', result: await work(started.brokers), where: 'one Apache Kafka on this machine' };
  } finally {
    await started.stop();
  }
}
