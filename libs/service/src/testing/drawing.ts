/** Which places of a clean run the normal run injures, where injuring all of them would take too long. */
import { type Injury, injuries } from './injury.ts';
import { type Place, renderPlace } from './places.ts';

/**
 * At how many places the dear injuries are done. `crash`: left out at every place; `twice` at two of each checkpoint, where another
 * trial crashes the same runner at every place.
 */
export type Sample = { readonly abandon: number; readonly kill: number; readonly crash?: 'twice' };

export type DrawOptions = {
  readonly sample: Sample;
  /** What the crashes of this run came to, which come before the other injuries. */
  readonly crashedAt: readonly Place[];
  /** The same seed draws the same places. */
  readonly seed: number;
};

/** Of the places where a step can fail or be repeated, one of so many is drawn. */
const thinning = 4;

/** In the order of the clean run. */
export function drawPlaces(
  injury: Injury,
  places: readonly Place[],
  { sample, crashedAt, seed }: DrawOptions,
): readonly Place[] {
  if (injury === 'crash') return sample.crash === 'twice' ? twoOfEach(places, seedOf(injury, seed)) : places;
  const count = isDear(injury) ? sample[injury] : Math.ceil(places.length / thinning);
  return sampled(steady(places, crashedAt), count, seedOf(injury, seed));
}

/** Each takes a process or a world of its own. */
export function isDear(injury: Injury): injury is 'abandon' | 'kill' {
  return injury === 'abandon' || injury === 'kill';
}

/** Those that an injured run came to: what depends on timing may not come again. */
function steady(places: readonly Place[], crashedAt: readonly Place[]): readonly Place[] {
  const hit = new Set(crashedAt.map(renderPlace));
  return hit.size === 0 ? places : places.filter(place => hit.has(renderPlace(place)));
}

/** Of each checkpoint the first, which every run passes, and one more: how often a clean run came there again may depend on timing. */
function twoOfEach(places: readonly Place[], seed: number): readonly Place[] {
  const byCheckpoint = Map.groupBy(shuffled(places, seed), ({ checkpoint }) => checkpoint);
  const drawn = new Set([...byCheckpoint.values()].map(([place]) => place));
  const first = new Map(places.toReversed().map(place => [place.checkpoint, place]));
  return places.filter(place => first.get(place.checkpoint) === place || drawn.has(place));
}

function sampled(places: readonly Place[], count: number, seed: number): readonly Place[] {
  const chosen = new Set(shuffled(places, seed).slice(0, count));
  return places.filter(place => chosen.has(place));
}

/** Another draw for each injury, so that together they meet more. */
function seedOf(injury: Injury, seed: number): number {
  return seed + injuries.indexOf(injury) * 7_919;
}

function shuffled(places: readonly Place[], seed: number): readonly Place[] {
  let state = seed;
  const drawn = places.map(place => {
    // A linear congruential generator (Numerical Recipes): which places are drawn needs no better one.
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return { place, rank: state };
  });
  return drawn.toSorted((one, other) => one.rank - other.rank).map(({ place }) => place);
}
