import { expect, it } from '@jest/globals';
import { untilCovered } from './coverage-pace.ts';
import { Journal } from './journal.ts';
import { placesOf } from './places.ts';

const places = placesOf([
  { name: 'A', databases: ['A1'] },
  { name: 'B', databases: ['B1'] },
]);
/** Counts how often it was asked. */
class AskedJournal extends Journal {
  asked = 0;

  override entries(): ReturnType<Journal['entries']> {
    this.asked += 1;
    return super.entries();
  }
}

const never = new AbortController().signal;

function commit(journal: Journal, databases: readonly string[]): void {
  const writes = databases.map(database => ({ database, account: 0, amount: 0 }));
  journal.begin({ id: '', home: 'A', writes, refused: false }, 0, 1).end('acknowledged');
}

function watch(journal: Journal): void {
  journal.rounds.push({ began: journal.moment(), ended: journal.moment(), marks: new Map() });
}

it('asks for a round, transactions across instances behind it, and a round behind those', async () => {
  const journal = new AskedJournal(Date.now);
  let covered = false;
  const waiting = untilCovered(journal, places, never).then(() => (covered = true));
  commit(journal, ['A1', 'B1']);
  watch(journal);
  commit(journal, ['A1']);
  while (journal.asked < 2) await new Promise(resolve => setImmediate(resolve));
  expect(covered).toBe(false);
  commit(journal, ['A1', 'B1']);
  const { asked } = journal;
  while (journal.asked === asked) await new Promise(resolve => setImmediate(resolve));
  expect(covered).toBe(false);
  const again = setInterval(() => watch(journal), 1);
  await waiting;
  clearInterval(again);
});

it('asks for nothing where there is one instance', async () => {
  await untilCovered(new Journal(Date.now), placesOf([{ name: 'A', databases: ['A1', 'A2'] }]), never);
});

it('ends when it is told to', async () => {
  const stop = new AbortController();
  const waiting = untilCovered(new Journal(Date.now), places, stop.signal);
  stop.abort();
  await waiting;
});
