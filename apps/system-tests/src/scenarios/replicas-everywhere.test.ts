import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe } from '@jest/globals';
import { oneOf, seededRandom } from '@holdfast/demo';
import { missingForKafka } from '@holdfast/run';
import {
  caughtUp,
  confirmUntil,
  executionOf,
  itHarmsNothing,
  observedSince,
  readHistorySince,
} from '../harness/looks.ts';
import type { ServiceName } from '../harness/replicas.ts';
import { seed } from '../harness/sample-group.ts';
import { type Round, setStage, type Stage } from '../harness/takeover.ts';

const isLong = process.env['HOLDFAST_TESTS'] === 'long';
const reason = isLong ? missingForKafka(process.env) : 'only with HOLDFAST_TESTS=long';
const describeWithBroker = reason === undefined ? describe : describe.skip;
const why = reason === undefined ? '' : ` (skipped: ${reason})`;

const random = seededRandom(seed);
const ending: (() => Promise<void>)[] = [];
let stage: Stage;
let executionId = '';

/** Each leader is frozen at its own places and replaced by the one that stands at the next; `last`: what the very last one does. */
function chain(
  service: ServiceName,
  links: readonly (readonly string[])[],
  last: (stage: Stage, ms: number) => Promise<boolean>,
): readonly Round[] {
  return links.map((places, index) => {
    const next = links[index + 1];
    const done = async (on: Stage, ms: number): Promise<boolean> =>
      next === undefined ? last(on, ms) : next.every(place => on.leader(service).isHeldAt(place));
    return { service, places, isBlind: true, done, ...(next && { then: { places: next, isBlind: true } }) };
  });
}

async function play(rounds: readonly Round[]): Promise<void> {
  for (const round of rounds) await stage.play(round);
}

const inventory = chain(
  'inventory',
  [
    ['observation/look/decided', 'instance/look/decided', 'news/tell/decided'],
    ['observation/look/acted', 'instance/look/acted', 'news/tell/acted'],
    ['observation/look/recorded', 'instance/look/recorded', 'news/tell/recorded'],
  ],
  observedSince,
);
const backup = chain(
  'backup',
  [
    ['set-runner/look/decided'],
    ['set-runner/look/listed'],
    ['set-runner/look/acted'],
    ['set-runner/look/recorded'],
    ['set-runner/examine/decided'],
    ['set-runner/examine/read'],
    ['set-runner/examine/acted'],
    ['set-runner/examine/recorded'],
  ],
  readHistorySince,
);
const yielding = ['stream/yield/drained'];
const undoing = ['execution/unfence/looked'];
const choosing = ['execution/choose/begun'];
const restoring = oneOf(
  random,
  ['sending', 'sent', 'answered'].map(place => `stream/restore_full/${place}`),
);
/** A copy waits for the step of the other runner: held sooner, it may be the very one that the other cannot do without. */
const shipping = chain(
  'shipping',
  [
    ['copy/copy/started', restoring],
    ['copy/copy/decided', 'stream/restore_log/sending'],
    ['copy/copy/hashed', 'stream/restore_log/sent'],
    ['copy/copy/acted', 'stream/restore_log/answered'],
    ['copy/copy/recorded', 'stream/restore_log/acted'],
    ['copy/verify/decided', 'stream/restore_log/recorded'],
    ['copy/verify/acted', 'stream/note/decided'],
    ['copy/verify/recorded', 'stream/note/recorded'],
  ].map(([copying = '', other = '']) => [`${copying}@${other}`, other]),
  caughtUp,
).map(ledBy(yielding));
const yielded: Round = { service: 'shipping', places: yielding, isBlind: true, done: () => Promise.resolve(true) };

/** Where the successor of the last of them is to stand. */
function ledBy(places: readonly string[]) {
  return (round: Round): Round => (round.then === undefined ? { ...round, then: { places, isBlind: true } } : round);
}

const at = (...places: string[]): string[][] => places.map(place => [`execution/${place}`]);

/** Everybody agrees that the hosts are stopped, the last run is made, the databases go off: then it is cancelled, and all of it is undone. */
const planned = chain(
  'restore',
  at(
    'start_last_run/looked',
    'start_last_run/begun',
    oneOf(random, ['start_last_run/sent', 'start_last_run/answered']),
    'fence/looked',
    'fence/begun',
    'fence/sent',
    oneOf(random, ['fence/answered', 'fence/noted']),
    'claim/decided',
  ),
  async on => {
    await cancel(on);
    return on.leader('restore').isHeldAt(String(undoing[0]));
  },
).map(ledBy(undoing));
const undone = chain(
  'restore',
  [undoing, ...at('unfence/begun', 'unfence/sent', 'unfence/answered')],
  async on => (await executionOf(on, executionId))?.state === 'CANCELLED',
).map(ledBy(choosing));

const watching = { places: ['source-watch/note_back/decided'], isBlind: true };
const unplanned = chain(
  'restore',
  [
    choosing,
    ...at(
      'restore/looked',
      'restore/begun',
      oneOf(random, ['restore/sent', 'restore/answered', 'restore/noted']),
      'recover/looked',
      'recover/begun',
      oneOf(random, ['recover/sent', 'recover/answered', 'recover/noted']),
      'verify/begun',
    ),
  ],
  async on => (await executionOf(on, executionId))?.state === 'REFERENCING',
).map(ledBy(watching.places));
const watch: Round = {
  service: 'restore',
  ...watching,
  done: async on =>
    (await executionOf(on, executionId))?.sources.every(({ cameBackAt }) => cameBackAt !== null) === true,
};

async function cancel({ ask }: Stage): Promise<void> {
  await ask(
    `mutation ($input: CancelExecutionInput!) { cancelExecution(input: $input) { __typename ... on Refusal { message } } }`,
    { input: { executionId, reason: 'To see it undone.' } },
  );
}

describeWithBroker(
  `leaders frozen wherever a statement is near, with no lease to tell them (seed ${seed})${why}`,
  () => {
    beforeAll(async () => {
      const first = [inventory, backup, shipping, planned].flatMap(rounds => rounds.slice(0, 1));
      stage = await setStage(seed, first);
      ending.push(() => stage.end());
      // Shipping has nothing to do before a leader of backup lets the first sets through, which is the last of them.
      await Promise.all([play(inventory), play(backup).then(() => play(shipping))]);
      executionId = await stage.startFailover({ mode: 'PLANNED', dead: [] }, 'planned');
      const left = new AbortController();
      ending.push(async () => left.abort());
      const people = confirmUntil(left.signal, stage, executionId);
      await play(planned);
      await play(undone);
      left.abort();
      await people;
      await stage.estate.killPrimaries();
      executionId = await stage.startFailover(undefined, 'unplanned');
      await Promise.all([stage.play(yielded), play(unplanned)]);
      const back = createServer().listen(stage.estate.primaries[0].address.port, '127.0.0.1');
      await once(back, 'listening');
      await stage.play(watch);
      back.close();
    }, 1_800_000);

    afterAll(() => Promise.all(ending.map(end => end())), 60_000);

    itHarmsNothing(() => stage);
  },
);
