/** The suite that every runner passes: `describeInjuries` in a test file beside it. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cover } from './coverage.ts';
import { applies, type Injury, injuries, type InjuryTrial, recordCleanRun } from './injury.ts';
import { type Measured, reportOf, writeReport } from './matrix-report.ts';
import { type Place, renderPlace } from './places.ts';

export { runnersOf } from './runners-of.ts';

export type InjurySuite<World> = {
  /** What is injured, for example "the execution runner". */
  readonly title: string;
  /** The module that exports `trial`: a process of its own imports it. */
  readonly module: URL;
  readonly trial: InjuryTrial<World>;
  /** Checkpoints (`runner/step/place`) that a clean run must pass: without them the suite would prove less than it says. */
  readonly mustPass: readonly string[];
  /**
   * At how many places the dear injuries are done in the normal run; `npm run test:long` does everything everywhere. `crash`: left out at every
   * place; `once` at one of each checkpoint, where another trial crashes the same runner at every place.
   */
  readonly sample: { readonly abandon: number; readonly kill: number; readonly crash?: 'once' };
};

/** Of the places where a step can fail or be repeated, one of so many is drawn in the normal run. */
const thinning = 4;

const isLong = process.env['HOLDFAST_TESTS'] === 'long';
/** Of the sampled places; HOLDFAST_TEST_SEED repeats a run. */
const seed = Number(process.env['HOLDFAST_TEST_SEED'] ?? Math.floor(Math.random() * 1_000_000));

export function describeInjuries<World>({ title, module, trial, mustPass, sample }: InjurySuite<World>): void {
  describe(`${title}, injured`, () => {
    let clean: Awaited<ReturnType<typeof recordCleanRun>>;
    const measured = new Map<Injury, Measured>();
    beforeAll(async () => {
      clean = await recordCleanRun(trial);
    }, 120_000);
    afterAll(() => {
      const about = { title, long: isLong, seed, runners: trial.runners };
      if (measured.size === injuries.length) writeReport(reportOf(about, module, clean.places, measured));
    });

    it('passes its checkpoints in a clean run', () => {
      const passed = new Set(clean.places.map(({ checkpoint }) => checkpoint));
      expect(mustPass.filter(checkpoint => !passed.has(checkpoint))).toEqual([]);
      const runners = new Set([...passed].map(checkpoint => checkpoint.split('/')[0]));
      expect([...runners].toSorted()).toEqual(trial.runners.toSorted());
    });

    it.each(injuries)(
      `ends the same after: %s (seed ${String(seed)})`,
      async injury => {
        const fitting = clean.places.filter(place => applies(injury, place));
        const places = isLong ? fitting : drawn(injury, fitting);
        const began = performance.now();
        const coverage = await cover({
          trial,
          module,
          injury,
          places,
          endState: clean.endState,
          met: new Set(measured.get('crash')?.hit.map(({ checkpoint }) => checkpoint)),
          ...((isDear(injury) && !isLong) || injury === 'abandon' ? { atOnce: 1 } : {}),
          onRun: hit => tellProgress(`${title}: ${injury} at ${String(hit)} of ${String(places.length)} places`),
        });
        measured.set(injury, { ...coverage, seconds: Math.round(performance.now() - began) / 1_000 });
        expect(coverage.problems).toEqual([]);
      },
      // The harness itself bounds each run.
      isLong ? 3_600_000 : 300_000,
    );

    function drawn(injury: Injury, places: readonly Place[]): readonly Place[] {
      if (injury === 'crash') return sample.crash === 'once' ? onceEach(places) : places;
      return sampled(steady(places), isDear(injury) ? sample[injury] : Math.ceil(places.length / thinning), injury);
    }

    /** Those that an injured run came to: what depends on timing may not come again. */
    function steady(places: readonly Place[]): readonly Place[] {
      const hit = new Set(measured.get('crash')?.hit.map(renderPlace));
      return hit.size === 0 ? places : places.filter(place => hit.has(renderPlace(place)));
    }
  });
}

/** Each takes a process or a world of its own. */
function isDear(injury: Injury): injury is 'abandon' | 'kill' {
  return injury === 'abandon' || injury === 'kill';
}

/** As many as asked for, drawn by the seed; another draw for each injury, so that together they meet more. */
function sampled(places: readonly Place[], count: number, injury: Injury): readonly Place[] {
  const chosen = new Set(shuffled(places, injury).slice(0, count));
  return places.filter(place => chosen.has(place));
}

/** One of each checkpoint. */
function onceEach(places: readonly Place[]): readonly Place[] {
  const drawn = new Map(shuffled(places, 'crash').map(place => [place.checkpoint, place]));
  return places.filter(place => drawn.get(place.checkpoint) === place);
}

function shuffled(places: readonly Place[], injury: Injury): readonly Place[] {
  let state = seed + injuries.indexOf(injury) * 7_919;
  const drawn = places.map(place => {
    // A linear congruential generator (Numerical Recipes): which places are drawn needs no better one.
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return { place, rank: state };
  });
  return drawn.toSorted((one, other) => one.rank - other.rank).map(({ place }) => place);
}

const progressEveryMs = 20_000;
let toldAt = performance.now();

/** The long form takes minutes in one test: it says where it is. */
function tellProgress(text: string): void {
  if (!isLong || performance.now() - toldAt < progressEveryMs) return;
  toldAt = performance.now();
  process.stderr.write(`${text}\n`);
}
