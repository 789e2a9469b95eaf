import { describe, expect, it } from '@jest/globals';
import { countingTrial, type Manner, trial } from './counting-trial.ts';
import { difference, injure, type Injury, recordCleanRun } from './injury.ts';
import { describeInjuries } from './injury-suite.ts';

const module = new URL('./counting-trial.ts', import.meta.url);

describeInjuries({
  title: 'a runner that looks again',
  module,
  trial,
  mustPass: ['count/append/decided', 'count/append/sending', 'count/append/sent', 'count/append/recorded'],
  sample: { repeat: 10, fail: 10, abandon: 10, kill: 3 },
});

describe('the injury harness', () => {
  const found = async (manner: Manner, injury: Injury, checkpoint: string, passing = 2) => {
    const wrong = countingTrial(manner);
    const clean = await recordCleanRun(wrong);
    return difference(clean.endState, await injure(wrong, module, { injury, place: { checkpoint, passing } }));
  };

  it('records every passing of every checkpoint', async () => {
    const { places, endState } = await recordCleanRun(trial);
    expect(places).toHaveLength(15);
    expect(places.at(-1)).toEqual({ checkpoint: 'count/append/recorded', passing: 3 });
    expect(endState).toEqual(['1', '2', '3']);
  });

  it('notices a runner that acts without looking again', async () => {
    expect(await found('careless', 'repeat', 'count/append/acted')).toContain('found    ["1","2","2"]');
    expect(await found('careless', 'abandon', 'count/append/sending')).toContain('["1","2","3","2"]');
  });

  it('notices a runner that remembers what it should read', async () => {
    expect(await found('forgetful', 'fail', 'count/append/sent')).toContain('"2","2"');
    expect(await found('forgetful', 'abandon', 'count/append/decided')).toBeDefined();
  });

  it('fails when the run never comes to the place', async () => {
    for (const injury of ['fail', 'abandon', 'kill'] as const)
      await expect(
        injure(trial, module, { injury, place: { checkpoint: 'count/append/sent', passing: 9 } }),
      ).rejects.toThrow(/came there|coming there/);
  });
});
