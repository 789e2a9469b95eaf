import type { Random } from '../random.ts';
import { connect, isRefusal, type SqlAddress, type SqlConnection } from '../sql-connection.ts';
import { pause, type Repeating } from './repeating.ts';
import type { Recorder } from './journal.ts';
import { planTransaction, renderTransaction } from './transaction-plan.ts';

export type LoadOptions = {
  readonly address: SqlAddress;
  readonly databases: readonly string[];
  readonly connections: number;
  /** Between two transactions of one connection. */
  readonly pauseMs: number;
  readonly random: Random;
  readonly journal: Recorder;
  /** Starts the id of every transaction: unique among the loads that ever ran on these databases. */
  readonly run: string;
};

/** Transactions on several connections until it is stopped; a lost connection is an unknown outcome and is opened again. */
export function startLoad(options: LoadOptions): Repeating {
  const stop = new AbortController();
  const workers = Array.from({ length: options.connections }, (_, connection) =>
    work(options, connection, stop.signal),
  );
  const done = Promise.all(workers);
  // Awaited at the stop; until then a failure must not end the process on its own.
  done.catch(() => stop.abort());
  return {
    async stop() {
      stop.abort();
      await done;
    },
  };
}

async function work(options: LoadOptions, connection: number, signal: AbortSignal): Promise<void> {
  const { address, databases, journal, random, run, pauseMs } = options;
  let open: SqlConnection | undefined;
  let sequence = 0;
  while (!signal.aborted) {
    open ??= await tryConnect(address, signal);
    if (open === undefined) return;
    sequence += 1;
    const plan = planTransaction(random, `${run}.${connection}.${sequence}`, databases);
    const text = renderTransaction(plan);
    const entry = journal.begin(plan, connection, sequence);
    try {
      await open.rows(text);
      entry.end('acknowledged');
    } catch (error) {
      const refused = isRefusal(error);
      entry.end(refused ? 'refused' : 'unknown');
      if (!refused) {
        await open.close();
        open = undefined;
      }
    }
    await pause(pauseMs, signal);
  }
  await open?.close();
}

/** Undefined when the load was stopped before the server could be reached. */
async function tryConnect(address: SqlAddress, signal: AbortSignal): Promise<SqlConnection | undefined> {
  while (!signal.aborted) {
    try {
      return await connect(address, 'sample load');
    } catch (error) {
      // A server that refuses the login will not change its mind; one that is gone may come back.
      if (isRefusal(error)) throw error;
      await pause(200, signal);
    }
  }
  return undefined;
}
