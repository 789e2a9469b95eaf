/** The suite that every runner passes: `describeInjuries` in a test file beside it. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cover } from './coverage.ts';
import { drawPlaces, isDear, type Sample } from './drawing.ts';
import { applies, type Injury, injuries, type InjuryTrial, recordCleanRun } from './injury.ts';
import { type Measured, reportOf, writeReport } from './matrix-report.ts';

export { runnersOf } from './runners-of.ts';

export type InjurySuite<World> = {
  /** What is injured, for example "the execution runner". */
  readonly title: string;
  /** The module that exports `trial`: a process of its own imports it. */
  readonly module: URL;
  readonly trial: InjuryTrial<World>;
  /** Checkpoints (`runner/step/place`) that a clean run must pass: without them the suite would prove less than it says. */
  readonly mustPass: readonly string[];
  /** Of the normal run; `npm run test:long` does everything everywhere. */
  readonly sample: Sample;
};

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
        const crashedAt = measured.get('crash')?.hit ?? [];
        const places = isLong ? fitting : drawPlaces(injury, fitting, { sample, crashedAt, seed });
        const began = performance.now();
        const coverage = await cover({
          trial,
          module,
          injury,
          places,
          endState: clean.endState,
          met: new Set(crashedAt.map(({ checkpoint }) => checkpoint)),
          ...((isDear(injury) && !isLong) || injury === 'abandon' ? { atOnce: 1 } : {}),
          onRun: hit => tellProgress(`${title}: ${injury} at ${String(hit)} of ${String(places.length)} places`),
        });
        measured.set(injury, { ...coverage, seconds: Math.round(performance.now() - began) / 1_000 });
        expect(coverage.problems).toEqual([]);
      },
      // The harness itself bounds each run.
      isLong ? 3_600_000 : 300_000,
    );
  });
}

const progressEveryMs = 20_000;
let toldAt = performance.now();

/** The long form takes minutes in one test: it says where it is. */
function tellProgress(text: string): void {
  if (!isLong || performance.now() - toldAt < progressEveryMs) return;
  toldAt = performance.now();
  process.stderr.write(`${text}\n`);
}
