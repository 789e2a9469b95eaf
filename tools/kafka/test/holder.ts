import { writeAnnouncement } from '@holdfast/run';
import { startBroker } from '../src/broker.ts';

/** A program that starts a broker and does not look after it: `holder.ts DIR PORT`. */
const [dataFolder = '', port] = process.argv.slice(2);
const broker = await startBroker({ dataFolder, port: Number(port), log: line => console.error(line) });
writeAnnouncement({ pid: broker.pid, brokers: broker.brokers });
