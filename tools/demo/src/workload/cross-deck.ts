import { type Random, wholeBelow } from '../random.ts';
import type { Places } from './places.ts';

/** Deals databases for transactions across instances so that each of them comes soon: all within as many deals as the fullest instance has databases. */
export type CrossDeck = {
  /** Whether there is more than one instance. */
  readonly spans: boolean;
  /** One database of every instance. */
  next(): readonly string[];
};

export function crossDeck(random: Random, places: Places): CrossDeck {
  const byInstance = [...Map.groupBy(places.keys(), database => places.get(database)).values()];
  const longest = Math.max(...byInstance.map(({ length }) => length));
  let dealt: (readonly string[])[] = [];
  const shuffleAll = (): void => {
    const piles = byInstance.map(databases => shuffled(random, databases));
    // A shorter pile goes round again.
    dealt = Array.from({ length: longest }, (_, index) => piles.flatMap(pile => pile[index % pile.length] ?? []));
  };
  return {
    spans: byInstance.length > 1,
    next() {
      if (dealt.length === 0) shuffleAll();
      return dealt.pop() ?? [];
    },
  };
}

/** Fisher and Yates. */
function shuffled(random: Random, names: readonly string[]): readonly string[] {
  const left = [...names];
  return names.flatMap(() => left.splice(wholeBelow(random, left.length), 1));
}
