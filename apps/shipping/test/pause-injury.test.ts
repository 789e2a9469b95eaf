import { join } from 'node:path';
import { afterAll, expect, it } from '@jest/globals';
import { describeInjuries } from '@holdfast/service/injury';
import { whyNoTestServer } from '@holdfast/sqlserver/testing';
import { pauseStandby, resumeStandby } from '../src/standby/pause-commands.ts';
import { trial } from './pause-trial.ts';
import { patienceMs, until } from './publisher.ts';
import { isSettled, startStream } from './stream-trial.ts';
import { readStored, removeStreamTemplate, serverOf } from './stream-world.ts';
import { dependenciesOf, openWorldStore, operator, sentByShipping } from './world.ts';

afterAll(removeStreamTemplate);

describeInjuries({
  title: 'a standby that is paused',
  module: new URL('./pause-trial.ts', import.meta.url),
  trial,
  mustPass: [
    'stream/pause/decided',
    'stream/pause/drained',
    'stream/pause/acted',
    'stream/pause/recorded',
    'stream/resume/decided',
    'stream/resume/acted',
    'stream/resume/recorded',
  ],
  sample: { abandon: 1, kill: 1, crash: 'twice' },
});

const standIn = whyNoTestServer(process.env) === undefined && process.env['SQLSERVER_URL'] === undefined ? it : it.skip;

standIn(
  'has stopped only once a leader that froze can send nothing any more, and says where nobody could look',
  async () => {
    const world = await trial.prepare();
    const { standbyId } = world;
    const store = await openWorldStore(world.folder);
    const dependencies = dependenciesOf(store);
    const frozen = Promise.withResolvers<undefined>();
    const thaw = Promise.withResolvers<undefined>();
    const leaders: { stop(): Promise<void> }[] = [];
    const lead = async (hook: (name: string) => Promise<void> = async () => undefined) => {
      const leader = await startStream(world, { hook, fencingToken: leaders.length + 1 }, isSettled);
      leaders.push(leader);
      return leader;
    };
    const stopped = (reason: string) =>
      until(reason, async () => {
        const { standby } = await readStored(store, standbyId);
        return standby.pause?.reason === reason && standby.pause.stoppedAt !== null ? standby : undefined;
      });
    const restores = async () =>
      (await sentByShipping(join(world.folder, 'standby'))).filter(({ text }) => text.startsWith('RESTORE LOG'));
    try {
      const old = await lead(async name => {
        if (name !== 'stream/restore_log/sending') return;
        frozen.resolve(undefined);
        await thaw.promise;
      });
      await frozen.promise;
      await pauseStandby(dependencies, operator, { standbyId, reason: 'patching', until: null });
      await lead();
      expect((await stopped('patching')).reasons.map(({ code }) => code)).toEqual(['PAUSED']);
      const before = await restores();
      thaw.resolve(undefined);
      await old.idle();
      expect(await restores()).toEqual(before);

      for (const leader of leaders) await leader.stop();
      await serverOf(world).close();
      await resumeStandby(dependencies, operator, standbyId);
      await pauseStandby(dependencies, operator, { standbyId, reason: 'it is down', until: null });
      await lead();
      expect((await stopped('it is down')).reasons).toMatchObject([
        { code: 'PAUSED' },
        { code: 'SESSIONS_NOT_ENDED', message: expect.stringContaining('STANDBY\\BTS') },
      ]);
    } finally {
      thaw.resolve(undefined);
      for (const leader of leaders) await leader.stop();
      await store.close();
      await trial.remove(world);
    }
  },
  patienceMs,
);
