import { writeRunFile, readRunFile, removeRunFile } from './run-file.ts';
import { brokersOf, startBroker } from './cluster/broker.ts';
import { startCluster } from './cluster/cluster.ts';
import type { StartConfig } from './config.ts';
import { programs } from './programs.ts';
import { type RunningProcess, startProcess } from './process.ts';
import { supervise } from './supervised.ts';

export type RunningHoldfast = {
  readonly url: string;
  /** Undefined: an identity provider gives it out. */
  readonly token: string | undefined;
  /** Of the Kafka that it runs over, `host:port`; undefined: over none. */
  readonly brokers?: string;
  /** Newest first. */
  stop(): Promise<void>;
};

type Voice = {
  readonly say: (line: string) => void;
  /** Lines of the processes, and what is said. */
  readonly log: (line: string) => void;
};

/** Starts Holdfast in the shape that is asked for; what ends by itself is started again, where it listened before. */
export function startHoldfast(config: StartConfig, voice: Voice): Promise<RunningHoldfast> {
  return config.shape === 'cluster' ? startInProcesses(config, voice) : startInOne(config, voice);
}

async function startInOne({ dataFolder, port }: StartConfig, { say, log }: Voice): Promise<RunningHoldfast> {
  const start = (at: number | undefined): Promise<RunningProcess> =>
    startProcess({
      name: 'all-in-one',
      main: programs.allInOne,
      args: ['--data', dataFolder, ...(at === undefined ? [] : ['--port', String(at)])],
      readyUrl: ({ url }) => new URL('/readyz', String(url)).href,
      log,
    });
  const first = await start(port);
  const { url, token } = first.announcement;
  if (typeof url !== 'string') throw new Error('all-in-one announced no address.');
  // Where it answers has been told to people, so it answers there again.
  const supervised = supervise(first, { startAgain: () => start(Number(new URL(url).port)), say });
  return { url, token: typeof token === 'string' ? token : undefined, stop: () => supervised.stop() };
}

async function startInProcesses(config: StartConfig, { say, log }: Voice): Promise<RunningHoldfast> {
  const { dataFolder, port } = config;
  await takeFolder(dataFolder);
  const running: { stop(): Promise<void> }[] = [{ stop: () => removeRunFile(dataFolder, 'cluster') }];
  const stop = async (): Promise<void> => {
    for (const each of running.toReversed()) await each.stop();
  };
  try {
    let { brokers } = config;
    if (brokers === undefined) {
      say('Starting Kafka …');
      const broker = await startBroker({ dataFolder, log });
      brokers = brokersOf(broker);
      const at = Number(brokers.slice(brokers.lastIndexOf(':') + 1));
      running.push(supervise(broker, { startAgain: () => startBroker({ dataFolder, log, port: at }), say }));
    } else say(`Using the Kafka at ${brokers} …`);
    say('Starting the services …');
    // One after the other on the screen as well: which of the five says it is in front of each line.
    const logAndShow = (line: string): void => {
      log(line);
      say(line);
    };
    const cluster = await startCluster({ dataFolder, brokers, port, log: logAndShow });
    for (const member of cluster.members)
      running.push(supervise(member.first, { startAgain: () => member.startAgain(), say }));
    return { url: cluster.url, token: cluster.token, brokers, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Two on one folder would wait for each other's leases: the second one is told at once. */
async function takeFolder(dataFolder: string): Promise<void> {
  for (const name of ['cluster', 'all-in-one'])
    if ((await readRunFile(dataFolder, name)) !== undefined)
      throw new Error(`Holdfast runs on ${dataFolder} already. Stop it, or give another folder with --data.`);
  await writeRunFile(dataFolder, 'cluster', { pid: process.pid, port: 0 });
}
