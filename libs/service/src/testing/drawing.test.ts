import { describe, expect, it } from '@jest/globals';
import { trial } from './counting-trial.ts';
import { cover } from './coverage.ts';
import { drawPlaces, type Sample } from './drawing.ts';
import { recordCleanRun } from './injury.ts';

const module = new URL('./counting-trial.ts', import.meta.url);
const sample: Sample = { abandon: 1, kill: 1, crash: 'twice' };
const seeds = Array.from({ length: 10 }, (_, seed) => seed);

describe('places that are drawn', () => {
  it('are proven by an injured run too when it passes fewer of a checkpoint than the clean one did', async () => {
    const { places, endState } = await recordCleanRun(trial);
    // As often as a slow machine looks and notes what it saw.
    const more = places.flatMap(place => seeds.map(seed => ({ ...place, passing: String(100 + seed) })));
    for (const seed of seeds) {
      const drawn = drawPlaces('crash', [...places, ...more], { sample, crashedAt: [], seed });
      const { problems, hit } = await cover({ trial, module, injury: 'crash', places: drawn, endState });
      expect(problems).toEqual([]);
      expect(new Set(hit.map(({ checkpoint }) => checkpoint)).size).toBe(5);
    }
  });
});
