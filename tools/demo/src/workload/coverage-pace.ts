import { uncovered } from '../oracle/coverage.ts';
import type { Journal } from './journal.ts';
import type { Places } from './places.ts';
import { pause } from './repeating.ts';

const lookEveryMs = 50;

/**
 * Resolves when the oracle will be able to see that every database took part in a transaction across instances since the last mark: a round
 * after it, such transactions after that, and another round before the next mark. At once where there is only one instance.
 */
export async function untilCovered(journal: Journal, places: Places, signal: AbortSignal): Promise<void> {
  if (new Set(places.values()).size < 2) return;
  const first = await roundAfter(journal, journal.moment(), signal);
  while (!signal.aborted && uncovered({ transactions: journal.entries(), places }, first, journal.moment()).length > 0)
    await pause(lookEveryMs, signal);
  await roundAfter(journal, journal.moment(), signal);
}

/** End of the first round that begins after the moment. */
async function roundAfter(journal: Journal, moment: number, signal: AbortSignal): Promise<number> {
  while (!signal.aborted) {
    const round = journal.rounds.find(({ began }) => began > moment);
    if (round !== undefined) return round.ended;
    await pause(lookEveryMs, signal);
  }
  return moment;
}
