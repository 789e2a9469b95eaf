import { describe, expect, it } from '@jest/globals';
import { injure } from './chain.ts';
import { countingTrial, type Manner, trial } from './counting-trial.ts';
import { cover } from './coverage.ts';
import { difference, type Injury, recordCleanRun } from './injury.ts';
import { type Place, placesOf, renderPlace } from './places.ts';

const module = new URL('./counting-trial.ts', import.meta.url);
const coverage = async (manner: Manner, injury: Injury) => {
  const wrong = countingTrial(manner);
  const { places, endState } = await recordCleanRun(wrong);
  return cover({ trial: wrong, module, injury, places: places.filter(place => fits(injury, place)), endState });
};
const fits = (injury: Injury, { checkpoint }: Place) => injury !== 'repeat' || /acted$|recorded$/.test(checkpoint);
const never: Place = { checkpoint: 'count/append/sent', subject: '1', passing: '9.1' };

describe('the injury harness', () => {
  it('records every place of a clean run, under names that tell one doing of a step from another', async () => {
    const { places, endState } = await recordCleanRun(trial);
    expect(places).toHaveLength(15);
    expect(places.slice(0, 6).map(renderPlace)).toEqual([
      'count/append/decided 1',
      'count/append/sending 1.1',
      'count/append/sent 1.1',
      'count/append/acted 1',
      'count/append/recorded 1',
      'count/append/decided 2',
    ]);
    expect(endState).toEqual(['1', '2', '3']);
  });

  it.each(['crash', 'fail', 'repeat'] as const)('finds a runner right that looks again: %s', async injury => {
    const found = await coverage('right', injury);
    expect(found.problems).toEqual([]);
    expect(found.equal).toHaveLength(found.planned);
    // All places in few worlds: a step that took effect is not done again, so that its later places need another one.
    expect(found.runs).toBeLessThanOrEqual(3);
  });

  it('kills a process at one place after the other', async () => {
    const { places, endState } = await recordCleanRun(trial);
    const wanted = [places[2]!, places[8]!, places[14]!];
    const injured = await injure(trial, module, { injury: 'kill', places: wanted });
    expect(injured).toEqual({ hit: wanted, endState });
  });

  it('names the place where a runner is wrong, of all that one world was injured at', async () => {
    const hasty = await coverage('hasty', 'crash');
    expect(hasty.problems).toHaveLength(3);
    expect(hasty.problems[0]).toContain(
      'crash at count/append/sending 1.1: expected ["1","2","3"]\nfound    ["2","3"]',
    );
    const forgetful = await coverage('forgetful', 'fail');
    expect(forgetful.problems.join('\n')).toContain('fail at count/append/sent 1.1');
    const careless = await coverage('careless', 'repeat');
    expect(careless.problems.join('\n')).toContain('repeat at count/append/acted 1: expected');
  });

  it('notices a frozen process that wakes up and acts without looking', async () => {
    const careless = countingTrial('careless');
    const { places, endState } = await recordCleanRun(careless);
    const frozenAt = places.filter(place => renderPlace(place) === 'count/append/sending 2.1');
    const injured = await injure(careless, module, { injury: 'abandon', places: frozenAt });
    expect(injured.hit).toEqual(frozenAt);
    expect(difference(endState, injured.endState)).toContain('["1","2","3","2"]');
  });

  it('does not let a crashed process go on', async () => {
    let sent = 0;
    const watched = countingTrial('right');
    const places = [{ ...never, checkpoint: 'count/append/sending', passing: '1.1' }];
    const injured = await injure(
      {
        ...watched,
        start: (world, incarnation) =>
          watched.start(world, {
            ...incarnation,
            hook: (name, subject) => {
              if (name === 'count/append/sent' && incarnation.fencingToken === 1) sent += 1;
              return incarnation.hook(name, subject);
            },
          }),
      },
      module,
      { injury: 'crash', places },
    );
    expect(injured).toEqual({ hit: places, endState: ['1', '2', '3'] });
    expect(sent).toBe(0);
  });

  it.each(['crash', 'fail', 'kill', 'abandon'] as const)('says so when no run comes to a place: %s', async injury => {
    const { endState } = await recordCleanRun(trial);
    const places = [{ ...never, checkpoint: 'count/append/forgotten' }];
    const found = await cover({ trial, module, injury, places, endState });
    expect(found).toMatchObject({ hit: [], problems: ['no run comes to count/append/forgotten 9.1 any more'] });
  });

  it('does not count what depends on timing as equal', async () => {
    const { places, endState } = await recordCleanRun(trial);
    const found = await cover({ trial, module, injury: 'crash', places: [...places, never], endState });
    expect(found).toMatchObject({ planned: 16, sometimes: [never], problems: [] });
    expect(found.equal).toHaveLength(15);
  });
});

describe('the names of places', () => {
  it('stay when a step is begun again, and go on where statements took effect', async () => {
    let statements = 0;
    const own = { progress: async () => ({ statements }) };
    const first = placesOf(own, {});
    const pass = async (places: typeof first, ...names: string[]) => {
      const passed = [];
      for (const name of names) passed.push(renderPlace(await places.passing(`r/s/${name}`, 'a')));
      return passed;
    };
    expect(await pass(first, 'decided', 'sent', 'sent')).toEqual(['r/s/decided 1', 'r/s/sent 1.1', 'r/s/sent 1.2']);
    statements = 1;
    const second = placesOf(own, {}, first.passed());
    expect(await pass(second, 'decided', 'sent', 'acted')).toEqual(['r/s/decided 1', 'r/s/sent 1.2', 'r/s/acted 1']);
    expect(await pass(second, 'recorded', 'decided')).toEqual(['r/s/recorded 1', 'r/s/decided 2']);
    expect(renderPlace(await second.passing('r/s/decided', 'b'))).toBe('r/s/decided of 2 1');
  });
});
