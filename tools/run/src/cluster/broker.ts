import { join } from 'node:path';
import { programs } from '../programs.ts';
import { type RunningProcess, startProcess } from '../process.ts';

export type BrokerOptions = {
  readonly dataFolder: string;
  readonly log: (line: string) => void;
  /** Of an earlier start on this folder: where clients look for it. */
  readonly port?: number;
};

/** A broker of tools/kafka on the data folder's own log. Rejects with what is missing (Java, Maven) and the command that installs it. */
export function startBroker({ dataFolder, log, port }: BrokerOptions): Promise<RunningProcess> {
  return startProcess({
    name: 'kafka',
    main: programs.kafka,
    args: ['serve', '--data', join(dataFolder, 'kafka'), ...(port === undefined ? [] : ['--port', String(port)])],
    log,
    // The first start on a machine fetches the broker.
    readyTimeoutMs: 300_000,
  });
}

/** `host:port`, several with commas between. */
export function brokersOf({ announcement }: RunningProcess): string {
  const { brokers } = announcement;
  if (typeof brokers !== 'string') throw new Error('kafka announced no address.');
  return brokers;
}

/** `KAFKA_BROKERS`: an existing Kafka, used instead of one of our own. @throws Error that names what is wrong with it. */
export function existingBrokers(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const given = env['KAFKA_BROKERS']?.trim();
  if (given === undefined || given === '') return undefined;
  const addresses = given.split(',').map(address => address.trim());
  const wrong = addresses.find(address => !isAddress(address));
  if (wrong !== undefined)
    throw new Error(`KAFKA_BROKERS is host:port, several with commas between; "${wrong}" is none.`);
  return addresses.join(',');
}

function isAddress(text: string): boolean {
  const port = Number(/^(?:[\w.-]+|\[[0-9a-fA-F:]+\]):(\d{1,5})$/.exec(text)?.[1] ?? 0);
  return port > 0 && port <= 65_535;
}
