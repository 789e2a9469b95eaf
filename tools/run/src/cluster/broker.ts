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
