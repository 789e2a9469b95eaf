import type { Random } from '../random.ts';
import { connect, isRefusal, type SqlAddress, type SqlConnection, type SqlServer } from '../sql-connection.ts';
import { crossDeck } from './cross-deck.ts';
import { pause, rejectionOf, type Repeating } from './repeating.ts';
import type { Recorder } from './journal.ts';
import { placesOf } from './places.ts';
import { planTransaction, renderTransaction, type Workplace } from './transaction-plan.ts';

export type LoadOptions = {
  /** The source instances. */
  readonly servers: readonly SqlServer[];
  /** Of all instances together, dealt out evenly. */
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
  const { servers, connections, random } = options;
  const stop = new AbortController();
  const places = placesOf(servers);
  const deck = crossDeck(random, places);
  const workers = Array.from({ length: connections }, (_, connection) => {
    const server = servers[connection % servers.length];
    if (server === undefined) throw new Error('The load needs an instance.');
    const workplace = { places, home: server.name, deck };
    return work(options, { connection, address: server.address, workplace }, stop.signal);
  });
  const done = Promise.all(workers);
  // Awaited at the stop; until then a failure must not end the process on its own.
  done.catch(() => stop.abort());
  return {
    failed: rejectionOf(done),
    async stop() {
      stop.abort();
      await done;
    },
  };
}

type Worker = { readonly connection: number; readonly address: SqlAddress; readonly workplace: Workplace };

async function work(
  { journal, random, run, pauseMs }: LoadOptions,
  { connection, address, workplace }: Worker,
  signal: AbortSignal,
): Promise<void> {
  let open: SqlConnection | undefined;
  let sequence = 0;
  while (!signal.aborted) {
    open ??= await tryConnect(address, signal);
    if (open === undefined) return;
    sequence += 1;
    const plan = planTransaction(random, `${run}.${connection}.${sequence}`, workplace);
    const text = renderTransaction(plan, workplace.places);
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
