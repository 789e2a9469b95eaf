import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe } from '@jest/globals';
import { missingForKafka } from '@holdfast/run';
import { caughtUp, executionOf, itHarmsNothing, observedSince, readHistorySince } from '../harness/looks.ts';
import { seed } from '../harness/sample-group.ts';
import { type Round, setStage, type Stage } from '../harness/takeover.ts';

const reason = missingForKafka(process.env);
const describeWithBroker = reason === undefined ? describe : describe.skip;
const why = reason === undefined ? '' : ` (skipped: ${reason})`;

const ending: (() => Promise<void>)[] = [];
let stage: Stage;
let executionId: string;

const watching = { places: ['source-watch/note_back/decided'], isBlind: false };
/** In the order in which a group's life comes to them. */
const rounds = {
  inventory: {
    service: 'inventory',
    places: ['observation/look/acted', 'instance/look/acted', 'news/tell/decided'],
    isBlind: false,
    done: observedSince,
  },
  backup: { service: 'backup', places: ['set-runner/look/acted'], isBlind: false, done: readHistorySince },
  shipping: {
    service: 'shipping',
    places: ['copy/copy/started@stream/restore_full/sending', 'stream/restore_full/sending'],
    isBlind: true,
    done: caughtUp,
  },
  failover: {
    service: 'restore',
    places: ['execution/restore/begun'],
    isBlind: true,
    then: watching,
    done: async () => (await executionOf(stage, executionId))?.state === 'REFERENCING',
  },
  watch: {
    service: 'restore',
    ...watching,
    done: async () =>
      (await executionOf(stage, executionId))?.sources.every(({ cameBackAt }) => cameBackAt !== null) === true,
  },
} as const satisfies Record<string, Round>;

describeWithBroker(`leaders that were frozen until they were replaced, and wake up (seed ${seed})${why}`, () => {
  beforeAll(async () => {
    const { inventory, backup, shipping, failover, watch } = rounds;
    stage = await setStage(seed, [inventory, backup, shipping, failover]);
    ending.push(() => stage.end());
    await Promise.all([inventory, backup, shipping].map(round => stage.play(round)));
    await stage.estate.killPrimaries();
    executionId = await stage.startFailover(undefined, 'replicas');
    await stage.play(failover);
    // Somebody is there again where a source was declared gone.
    const back = createServer().listen(stage.estate.primaries[0].address.port, '127.0.0.1');
    await once(back, 'listening');
    await stage.play(watch);
    back.close();
  }, 400_000);

  afterAll(() => Promise.all(ending.map(end => end())), 60_000);

  itHarmsNothing(() => stage);
});
