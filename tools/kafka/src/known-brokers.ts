import type { Environment } from './java.ts';

export type KnownBrokers =
  | { readonly kind: 'BROKERS'; readonly brokers: readonly string[] }
  | {
      readonly kind: 'REFUSED';
      readonly refusal: { readonly kind: 'InvalidBrokers'; readonly variable: string; readonly message: string };
    };

export const brokersVariable = 'KAFKA_BROKERS';

/** A name, an IPv4 address, or an IPv6 address in brackets, and a port. */
const address = /^(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\]):(\d{1,5})$/i;

/** The cluster that KAFKA_BROKERS names, `host:port` with commas between them; undefined when it is not set, or empty. */
export function brokersFromEnvironment(env: Environment): KnownBrokers | undefined {
  const text = env[brokersVariable]?.trim() ?? '';
  if (text === '') return undefined;
  const brokers = text.split(',').map(broker => broker.trim());
  const wrong = brokers.find(broker => !isAddress(broker));
  if (wrong === undefined) return { kind: 'BROKERS', brokers };
  const message = `${brokersVariable} is a list of host:port with commas between them; "${wrong}" is none.`;
  return { kind: 'REFUSED', refusal: { kind: 'InvalidBrokers', variable: brokersVariable, message } };
}

function isAddress(text: string): boolean {
  const port = Number(address.exec(text)?.[1] ?? 0);
  return port >= 1 && port <= 65_535;
}
