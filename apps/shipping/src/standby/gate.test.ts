import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import { StandbyGate } from './gate.ts';

it('waits for everybody inside, tells them, and lets later ones in undisturbed', async () => {
  const gate = new StandbyGate();
  const ends = Promise.withResolvers<undefined>();
  let told = false;
  const first = gate.inside('s', async signal => {
    signal.addEventListener('abort', () => (told = true));
    await ends.promise;
  });
  let drained = false;
  const draining = gate.drain('s').then(() => (drained = true));
  const later = gate.inside('s', async signal => signal.aborted);
  await nextTurn();
  expect({ told, drained, later: await later }).toEqual({ told: true, drained: false, later: false });
  ends.resolve(undefined);
  await Promise.all([first, draining]);
  expect(drained).toBe(true);
});

it('drains although what was inside failed, and at once where nobody is', async () => {
  const gate = new StandbyGate();
  const failing = gate.inside('s', async () => {
    await nextTurn();
    throw new Error('lost');
  });
  await Promise.all([expect(failing).rejects.toThrow('lost'), gate.drain('s')]);
  await gate.drain('nobody');
});
