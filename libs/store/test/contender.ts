/**
 * One replica as a process: waits to lead, then writes its token into the store, transaction after transaction, several asked for at a time,
 * until it is told that it was replaced. Says what happens in lines of JSON.
 */
import { setTimeout } from 'node:timers/promises';
import { sql } from 'kysely';
import { acquireLease, openLedStore, readFence, StoreError, type StoreLocation } from '../src/index.ts';

export type ContenderOptions = {
  readonly location: StoreLocation;
  readonly beatEveryMs: number;
  readonly replaceAfterMs: number;
  readonly blockedLimitMs?: number;
  /** The process stops itself (SIGSTOP): inside its first transaction, or after its eighth with others waiting for their turn. */
  readonly freezes?: 'inside' | 'between';
  /** Writes nothing before a line arrives on its input. */
  readonly idle?: boolean;
};
export type ContenderSays =
  | { readonly what: 'waits' }
  | { readonly what: 'leads'; readonly token: number }
  | { readonly what: 'wrote'; readonly token: number }
  | { readonly what: 'blocked'; readonly why: string }
  | { readonly what: 'superseded'; readonly token: number; readonly committed: number; readonly refused: number };

type Tables = { written: { seq: number; fencing_token: number } };

const say = (line: ContenderSays): boolean => process.stdout.write(`${JSON.stringify(line)}\n`);
const { location, freezes, idle = false, ...options } = JSON.parse(process.argv[2] ?? '') as ContenderOptions;
const claims =
  'file' in location
    ? { file: `${location.file}.lease`, floor: readFence(location.file) }
    : { ...location, owner: 'contender' };

let said = false;
const lease = await acquireLease({
  ...options,
  ...claims,
  retryMs: 20,
  waiting: () => {
    if (!said) say({ what: 'waits' });
    said = true;
  },
});
const token = lease.fencingToken;
const store = await openLedStore<Tables>({
  ...options,
  ...location,
  lease,
  blocked: why => say({ what: 'blocked', why }),
}).catch((error: unknown) => {
  if (!(error instanceof StoreError) || error.kind !== 'superseded') throw error;
  process.exit(3);
});
await store.transaction(tx =>
  sql
    .raw(
      'file' in location
        ? 'create table if not exists written (seq integer not null primary key, fencing_token integer not null) strict'
        : `if object_id(N'written') is null
             create table written (seq bigint not null identity primary key, fencing_token bigint not null)`,
    )
    .execute(tx as never),
);
say({ what: 'leads', token });
let committed = 0;
let refused = 0;
const write = async (): Promise<void> => {
  try {
    await store.transaction(async tx => {
      await tx
        .insertInto('written')
        .columns(['fencing_token'])
        .values({ fencing_token: token } as never)
        .execute();
      if (freezes === 'inside') process.kill(process.pid, 'SIGSTOP');
    });
    committed += 1;
    if (freezes === 'between' && committed === 8) process.kill(process.pid, 'SIGSTOP');
  } catch (error) {
    // On a server its successor ends its session, which it hears of first.
    if (!(error instanceof StoreError) || (error.kind !== 'superseded' && error.kind !== 'lost')) throw error;
    refused += 1;
  }
};
if (idle) await Promise.race([new Promise(resolve => process.stdin.once('data', resolve)), aborted(lease.lost)]);
while (!lease.lost.aborted) {
  await Promise.all(Array.from({ length: 5 }, write));
  if (committed === 5) say({ what: 'wrote', token });
  // Store and promises alone never leave the microtasks: the heartbeat would get no turn.
  await setTimeout(1);
}
// What was still to be written when it learnt of it: none of this may arrive.
await Promise.all(Array.from({ length: 20 }, write));
say({ what: 'superseded', token, committed, refused });
await store.close();
lease.release();
process.exit(3);

function aborted(signal: AbortSignal): Promise<unknown> {
  return new Promise(resolve => signal.addEventListener('abort', resolve, { once: true }));
}
