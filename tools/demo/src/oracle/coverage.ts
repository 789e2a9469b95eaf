import type { History, WatchRound } from './history.ts';

/** What rounds prove of one mark, in moments of the journal. */
export type Bounds = {
  /** Start of the last round without the mark. */
  readonly before: number;
  /** End of the first round with it in every database. */
  readonly after: number;
};

type Watching = Pick<History, 'rounds' | 'places'>;

export function boundsOf({ rounds, places }: Watching, mark: string): Bounds {
  const names = [...places.keys()];
  const shows = (round: WatchRound, name: string): boolean => round.marks.get(name)?.has(mark) === true;
  // A round that did not ask every database proves nothing about it.
  const whole = rounds.filter(({ marks }) => names.every(name => marks.has(name)));
  const nowhere = whole.filter(round => !names.some(name => shows(round, name)));
  const everywhere = whole.filter(round => names.every(name => shows(round, name)));
  return {
    before: Math.max(Number.NEGATIVE_INFINITY, ...nowhere.map(({ began }) => began)),
    after: Math.min(Number.POSITIVE_INFINITY, ...everywhere.map(({ ended }) => ended)),
  };
}

export function instancesOf(databases: readonly string[], places: History['places']): number {
  return new Set(databases.map(name => places.get(name))).size;
}

/** Databases that no acknowledged transaction across instances wrote which began after `from` and ended before `to`. */
export function uncovered(
  { transactions, places }: Pick<History, 'transactions' | 'places'>,
  from: number,
  to: number,
): readonly string[] {
  const written = new Set(
    transactions
      .filter(({ outcome, began, ended }) => outcome === 'acknowledged' && began > from && ended < to)
      .filter(({ databases }) => instancesOf(databases, places) > 1)
      .flatMap(({ databases }) => databases),
  );
  return [...places.keys()].filter(name => !written.has(name));
}

/** Pairs of marks that follow each other, up to the last one, between which not every database is known to have taken part across instances. */
export function coverageGaps(
  history: Omit<History, 'recovered' | 'totalBalance'>,
): readonly { readonly from: string; readonly to: string; readonly databases: readonly string[] }[] {
  if (instancesOf([...history.places.keys()], history.places) < 2) return [];
  const seen = new Set(history.rounds.flatMap(({ marks }) => [...marks.values()].flatMap(names => [...names])));
  const marks = [...seen, history.mark].toSorted().filter(name => name <= history.mark);
  return [...new Set(marks)].flatMap((to, index, all) => {
    const from = all[index - 1];
    if (from === undefined) return [];
    const databases = uncovered(history, boundsOf(history, from).after, boundsOf(history, to).before);
    return databases.length === 0 ? [] : [{ from, to, databases }];
  });
}
