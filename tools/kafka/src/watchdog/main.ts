import { createInterface } from 'node:readline';

/**
 * Ends a broker when whoever started it is gone, a kill -9 included: Java does not notice that by itself. Its standard input is a pipe from
 * the starter, who writes the broker's process id into it; the system closes the pipe with the starter. A broker that ended by itself is
 * taken back by a second line, so that nobody else's process is hit.
 */
let broker: number | undefined;
for await (const line of createInterface({ input: process.stdin })) broker = line === '' ? undefined : Number(line);
if (broker !== undefined)
  try {
    // A frozen broker, too, ends at once by this signal; Kafka's log survives it.
    process.kill(broker, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
