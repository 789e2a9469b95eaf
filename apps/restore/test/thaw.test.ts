import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import type { CheckpointHook } from '@holdfast/service/runner';
import { livingIncarnation } from '@holdfast/service/trial';
import { removePrepared, trial } from './execution-trial.ts';

type Place = {
  readonly at: string;
  /** Counts passings only once this checkpoint was passed. */
  readonly after?: string;
};

const places: readonly (readonly [title: string, first: Place, second: Place])[] = [
  ['about to claim', { at: 'claim/acted' }, { at: 'restore/sent' }],
  ['with a mark chosen', { at: 'choose/acted' }, { at: 'restore/recorded' }],
  ['about to look', { after: 'choose/recorded', at: 'observe/read' }, { at: 'recover/recorded' }],
  ['about to begin a restore', { at: 'restore/looked' }, { at: 'restore/answered' }],
  ['about to send a restore', { at: 'restore/begun' }, { at: 'recover/decided' }],
  ['with a restore sent', { at: 'restore/sent' }, { at: 'restore/noted' }],
  ['with a restore answered', { at: 'restore/answered' }, { at: 'recover/recorded' }],
  ['about to send a recovery', { at: 'recover/begun' }, { at: 'verify/decided' }],
];

/** Freezes one incarnation the first time it comes to the place. */
function freezeAt({ at, after }: Place) {
  const frozen = Promise.withResolvers<undefined>();
  const thawed = Promise.withResolvers<undefined>();
  let counts = after === undefined;
  const hook: CheckpointHook = async name => {
    counts ||= name === `execution/${after ?? ''}`;
    if (!counts || name !== `execution/${at}`) return;
    frozen.resolve(undefined);
    await thawed.promise;
  };
  return { hook, reached: frozen.promise, thaw: () => thawed.resolve(undefined) };
}

// The injury suite thaws a frozen leader when all is done; here its successor is in the middle, so that what the old one does could matter.
describe('a leader that wakes up while its successor is at work', () => {
  let clean: unknown;
  beforeAll(async () => {
    const world = await trial.prepare();
    const running = await trial.start(world, livingIncarnation({ hook: () => undefined, fencingToken: 1 }));
    await running.settled(AbortSignal.timeout(60_000));
    await running.stop();
    clean = await trial.endState(world);
    await trial.remove(world);
  }, 120_000);
  afterAll(removePrepared);

  it.each(places)(
    'does no harm %s',
    async (_title, first, second) => {
      const signal = AbortSignal.timeout(60_000);
      const world = await trial.prepare();
      const [old, next] = [freezeAt(first), freezeAt(second)];
      const oldLeader = await trial.start(world, livingIncarnation({ hook: old.hook, fencingToken: 1 }));
      await old.reached;
      const newLeader = await trial.start(world, livingIncarnation({ hook: next.hook, fencingToken: 2 }));
      await next.reached;
      old.thaw();
      // It goes as far as it can, which is not to the end: that is the other one's.
      const ended = oldLeader.settled(signal).then(() => true);
      const isRefused = () => oldLeader.failing().some(message => message.includes('newer leader'));
      while (!isRefused()) expect(await Promise.race([ended, pause(5, false)])).toBe(false);
      next.thaw();
      await newLeader.settled(signal);
      await Promise.all([oldLeader.idle(), newLeader.idle()]);
      await ended;
      await Promise.all([oldLeader.stop(), newLeader.stop()]);
      const end = await trial.endState(world);
      await trial.remove(world);
      expect(end).toEqual(clean);
    },
    120_000,
  );
});
