const variable = 'KAFKA_BROKERS';

/** A name, an IPv4 address, or an IPv6 address in brackets, and a port. */
const address = /^(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\]):(\d{1,5})$/i;

/**
 * The Kafka that `KAFKA_BROKERS` names, to be used instead of one of our own: `host:port`, several with commas between;
 * undefined when it is not set, or empty.
 * @throws Error that names the variable and what is wrong with it.
 */
export function existingBrokers(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const text = env[variable]?.trim() ?? '';
  if (text === '') return undefined;
  const brokers = text.split(',').map(broker => broker.trim());
  const wrong = brokers.find(broker => !isAddress(broker));
  if (wrong !== undefined)
    throw new Error(`${variable} is a list of host:port with commas between them; "${wrong}" is none.`);
  return brokers.join(',');
}

function isAddress(text: string): boolean {
  const port = Number(address.exec(text)?.[1] ?? 0);
  return port >= 1 && port <= 65_535;
}
