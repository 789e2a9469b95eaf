import { KafkaError } from './errors.ts';
import { install } from './installation.ts';
import type { Environment } from './java.ts';

/**
 * Why tests on this machine cannot have a broker; undefined when they can. In CI every machine can, and what is missing there is thrown.
 * Fetches Kafka when it is not here yet. @throws KafkaError.
 */
export async function whyNoBroker(env: Environment): Promise<string | undefined> {
  try {
    await install({ env, log: () => undefined });
    return undefined;
  } catch (error) {
    if (env['CI'] === 'true' || !(error instanceof KafkaError) || error.code !== 'MISSING_PROGRAM') throw error;
    return error.message;
  }
}
