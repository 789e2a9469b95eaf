/** The suite that every runner passes: `describeInjuries` in a test file beside it. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import {
  applies,
  difference,
  injure,
  type Injury,
  type InjuryTrial,
  type Place,
  recordCleanRun,
  renderPlace,
} from './injury.ts';

export type { Incarnation, InjuryTrial, Running } from './injury.ts';

export type InjurySuite<World> = {
  /** What is injured, for example "the execution runner". */
  readonly title: string;
  /** The module that exports `trial`: a process of its own imports it. */
  readonly module: URL;
  readonly trial: InjuryTrial<World>;
  /** Checkpoints (`runner/step/place`) that a clean run must pass: without them the suite would prove less than it says. */
  readonly mustPass: readonly string[];
  /** How many places each injury gets in the normal run; `npm run test:long` takes every passing of every checkpoint. */
  readonly sample: Readonly<Record<Injury, number>>;
};

const injuries: readonly Injury[] = ['repeat', 'fail', 'abandon', 'kill'];

export function describeInjuries<World>({ title, module, trial, mustPass, sample }: InjurySuite<World>): void {
  const everywhere = process.env['HOLDFAST_TESTS'] === 'long';
  describe(`${title}, injured`, () => {
    let clean: Awaited<ReturnType<typeof recordCleanRun>>;
    beforeAll(async () => {
      clean = await recordCleanRun(trial);
    }, 120_000);

    it('passes its checkpoints in a clean run', () => {
      const passed = new Set(clean.places.map(({ checkpoint }) => checkpoint));
      expect(mustPass.filter(checkpoint => !passed.has(checkpoint))).toEqual([]);
    });

    it.each(injuries)(
      'ends the same after: %s',
      async injury => {
        const places = everywhere ? clean.places : spread(firstPassings(clean.places), sample[injury], injury);
        const outcomes = [];
        for (const place of places.filter(place => applies(injury, place))) {
          const found = await injure(trial, module, { injury, place }).then(
            endState => difference(clean.endState, endState),
            (error: unknown) =>
              error instanceof Error || Error.isError(error) ? String(error) : JSON.stringify(error),
          );
          if (found !== undefined) outcomes.push(`${injury} at ${renderPlace(place)}: ${found}`);
        }
        expect(outcomes).toEqual([]);
      },
      // Fresh surroundings for every place; the harness itself bounds each of them.
      everywhere ? 3_600_000 : 300_000,
    );
  });

  /** As many as asked for, evenly over the run; each injury begins elsewhere, so that together they meet most places. */
  function spread(places: readonly Place[], count: number, injury: Injury): readonly Place[] {
    const fitting = places.filter(place => applies(injury, place));
    if (fitting.length <= count) return fitting;
    const stride = fitting.length / count;
    const offset = (injuries.indexOf(injury) / injuries.length) * stride;
    return Array.from({ length: count }, (_, index) => fitting[Math.floor(offset + index * stride)]).filter(
      place => place !== undefined,
    );
  }
}

function firstPassings(places: readonly Place[]): readonly Place[] {
  return places.filter(({ passing }) => passing === 1);
}
