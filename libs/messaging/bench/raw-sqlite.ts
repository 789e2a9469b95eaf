import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { keys, newId, text } from './event.ts';

/** As libs/store opens its files. */
const pragmas = 'pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on';
/** As many as one relay batch. */
const batch = 100;

export type RawTraffic = { readonly folder: string; readonly events: number; readonly each: number };

/**
 * The same rows in the same transactions with nothing of ours around them: transactions of `each` events where they are raised, one per
 * batch where they are applied. No library between events and effects can be faster on this disk. Answers seconds.
 */
export function sendRaw({ folder, events, each }: RawTraffic): number {
  const from = new DatabaseSync(join(folder, 'raw-sender.db'));
  const to = new DatabaseSync(join(folder, 'raw-receiver.db'));
  for (const database of [from, to]) database.exec(pragmas);
  from.exec(`create table counter (key text primary key, n integer not null) strict;
    create table head (id integer primary key, seq integer not null) strict;
    insert into head values (1, 0);
    create table outbox (seq integer primary key, key text not null, event_id text not null, body text not null) strict;
    create table sent (bus text primary key, seq integer not null) strict`);
  to.exec(`create table projection (key text primary key, n integer not null) strict;
    create table inbox (consumer text not null, event_id text not null, primary key (consumer, event_id)) strict;
    create table position (consumer text primary key, offset integer not null) strict`);
  const count = from.prepare('insert into counter values (?, ?) on conflict (key) do update set n = excluded.n');
  const raise = from.prepare('update head set seq = seq + 1 where id = 1');
  const append = from.prepare('insert into outbox values (?, ?, ?, ?)');
  const mark = from.prepare("insert into sent values ('raw', ?) on conflict (bus) do update set seq = excluded.seq");
  const receive = to.prepare("insert or ignore into inbox values ('raw', ?)");
  const apply = to.prepare('insert into projection values (?, ?) on conflict (key) do update set n = excluded.n');
  const move = to.prepare(
    "insert into position values ('raw', ?) on conflict (consumer) do update set offset = excluded.offset",
  );
  let waiting: { key: string; n: number; id: string }[] = [];
  const deliver = (): void => {
    to.exec('begin immediate');
    for (const { key, n, id } of waiting) {
      receive.run(id);
      apply.run(key, n);
    }
    move.run(waiting.at(-1)?.n ?? 0);
    to.exec('commit');
    mark.run(waiting.at(-1)?.n ?? 0);
    waiting = [];
  };
  const startedAt = performance.now();
  for (let n = 1; n <= events; n += 1) {
    const key = keys[n % keys.length] ?? 'a';
    const id = newId();
    if ((n - 1) % each === 0) from.exec('begin immediate');
    count.run(key, n);
    raise.run();
    append.run(n, key, id, JSON.stringify({ id, time: new Date().toISOString(), key, data: { key, n, text } }));
    waiting.push({ key, n, id });
    if (n % each !== 0 && n !== events) continue;
    from.exec('commit');
    if (waiting.length >= batch || n === events) deliver();
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  from.close();
  to.close();
  return seconds;
}
