import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  connected,
  countUnsafeRepeats,
  databasesOf,
  failoverInput,
  followThrough,
  oneOf,
  type Protected,
  seededRandom,
} from '@holdfast/demo';
import { type SampleGroup, seed, startSampleGroup, untilHeld, untilInSync, untilSo } from '../harness/sample-group.ts';

/**
 * What is held at each kill, one way of several, in the order in which a failover comes to them: each service in the middle of a step of its own.
 * Inventory and backup have no part in a failover, so it stands still beside them; so it does once the standby has yielded, or it would have
 * gone on before the kill.
 */
const kills: readonly (readonly (readonly string[])[])[] = [
  [['execution/begin_fencing/recorded'], ['execution/probe/acted'], ['execution/claim/decided']],
  [['observation/look/decided', 'execution/claim/decided']],
  [['set-runner/look/decided', 'execution/claim/decided']],
  [['stream/yield/decided'], ['stream/yield/acted'], ['stream/yield/recorded', 'execution/choose/decided']],
  [['execution/choose/decided'], ['execution/choose/acted'], ['execution/choose/recorded']],
  [['execution/restore/sent'], ['execution/restore/answered'], ['execution/restore/acted']],
  [['execution/recover/sent'], ['execution/recover/acted'], ['execution/recover/recorded']],
  [['execution/verify/decided'], ['execution/verify/acted'], ['execution/begin_references/decided']],
];
const requests = 100;
const repeats = 20;

type Answer = { __typename: string; id?: string; message?: string; execution?: { id: string } };
type Shown = { state: string; markName: string | null };
type Step = { id: string; name: string; kind: string; state: string; reasons: { code: string; message: string }[] };
type Settled = { __typename: string; state?: string; message?: string };

const random = seededRandom(seed);
const places = kills.map(ways => oneOf(random, ways));
const ending: (() => Promise<void>)[] = [];
let sample: SampleGroup;
let registered: Protected;
let answers: Answer[];
let repeated: Answer[];
let running: number;
let executionId: string;
let final: Shown;
/** What people did: each answer, and the steps as they were asked for, before the kill, after it and in the end. */
let people: Readonly<Record<'tooEarly' | 'skipped' | 'again' | 'confirmed', Settled>>;
let steps: Readonly<Record<'asked' | 'before' | 'after' | 'last', readonly Step[]>>;
const shown: Shown[] = [];

async function startFailover(key: string): Promise<Answer> {
  const { startFailover: answer } = await sample.holdfast.client().ask<{ startFailover: Answer }>(
    `mutation ($input: StartFailoverInput!) { startFailover(input: $input) {
      __typename ... on Execution { id } ... on ExecutionAlreadyRunning { execution { id } } ... on Refusal { message } } }`,
    { input: failoverInput(registered, key) },
  );
  return answer;
}

async function countExecutions(): Promise<number> {
  const { executions } = await sample.holdfast
    .client()
    .ask<{ executions: { nodes: unknown[] } }>('query ($id: ID) { executions(groupId: $id) { nodes { id } } }', {
      id: registered.groupId,
    });
  return executions.nodes.length;
}

async function show(): Promise<Shown> {
  const { execution } = await sample.holdfast
    .client()
    .ask<{ execution: Shown }>('query ($id: ID!) { execution(id: $id) { state markName } }', { id: executionId });
  return execution;
}

/** Those of people, once one of them waits. */
async function untilAsked(): Promise<readonly Step[]> {
  let asked: readonly Step[] = [];
  await untilSo(sample, 'somebody asked for what is left', async () => {
    asked = await stepsAfterRecovery();
    return asked.some(({ state }) => state === 'AWAITING_CONFIRMATION');
  });
  return asked;
}

async function stepsAfterRecovery(): Promise<readonly Step[]> {
  const { execution } = await sample.holdfast
    .client()
    .ask<{ execution: { steps: readonly Step[] } }>(
      'query ($id: ID!) { execution(id: $id) { steps { id name kind state reasons { code message } } } }',
      { id: executionId },
    );
  return execution.steps.filter(({ kind }) => kind === 'MANUAL');
}

async function settle(how: 'confirmStep' | 'skipStep', step: Step | undefined, reason?: string): Promise<Settled> {
  const input = { executionId, stepId: step?.id, ...(reason === undefined ? {} : { reason }) };
  const { answer } = await sample.holdfast.client().ask<{ answer: Settled }>(
    `mutation ($input: ${how === 'skipStep' ? 'SkipStepInput' : 'StepInput'}!) { answer: ${how}(input: $input) {
      __typename ... on StepNotWaiting { state } ... on Refusal { message } } }`,
    { input },
  );
  return answer;
}

const skipReason = 'There is no such server.';

/** What people have to do after recovery: one of it is skipped, one confirmed out of turn, and Holdfast is killed in the middle. */
async function workThroughSteps(): Promise<void> {
  const asked = await untilAsked();
  const [first, second, third] = asked;
  const tooEarly = await settle('confirmStep', third);
  const skipped = await settle('skipStep', first, skipReason);
  const again = await settle('confirmStep', first);
  const confirmed = await settle('confirmStep', second);
  people = { tooEarly, skipped, again, confirmed };
  const before = await stepsAfterRecovery();
  await sample.holdfast.restart();
  const after = await stepsAfterRecovery();
  final = await followThrough(sample.holdfast.client(), executionId, {
    limitMs: 60_000,
    onState: execution => shown.push(execution),
  });
  steps = { asked, before, after, last: await stepsAfterRecovery() };
}

beforeAll(async () => {
  sample = await startSampleGroup({ seed, holdAt: places[0] ?? [] });
  ending.push(() => sample.remove());
  registered = await sample.protect();
  await untilInSync(sample, 3);
  await sample.estate.killPrimaries();
  await sample.endWork();

  const keys = Array.from({ length: requests }, (_, index) => `request-${index}`);
  answers = await Promise.all(keys.map(startFailover));
  const accepted = answers.findIndex(({ __typename }) => __typename === 'Execution');
  executionId = answers[accepted]?.id ?? '';
  repeated = await Promise.all(Array.from({ length: repeats }, () => startFailover(keys[accepted] ?? '')));
  running = await countExecutions();
  for (const [index, held] of places.entries()) {
    await untilHeld(sample, held);
    shown.push(await show());
    await sample.holdfast.restart({ holdAt: places[index + 1] ?? [] });
  }
  await workThroughSteps();
}, 600_000);

afterAll(() => Promise.all(ending.map(end => end())), 60_000);

describe(`startFailover asked for ${requests} times at once over the gateway (seed ${seed})`, () => {
  it('starts one execution and names it in every refusal', () => {
    const refused = answers.filter(({ __typename }) => __typename !== 'Execution');
    expect(answers.filter(({ __typename }) => __typename === 'Execution')).toHaveLength(1);
    expect(refused).toHaveLength(requests - 1);
    for (const answer of refused)
      expect(answer).toMatchObject({ __typename: 'ExecutionAlreadyRunning', execution: { id: executionId } });
    expect(running).toBe(1);
  });

  it('answers the same key with the same execution', () => {
    expect(repeated).toHaveLength(repeats);
    for (const answer of repeated) expect(answer).toMatchObject({ __typename: 'Execution', id: executionId });
  });
});

describe(`Holdfast killed with -9 in ${places.map(held => held[0] ?? '').join(', ')} (seed ${seed})`, () => {
  it('ends the failover at the mark that was chosen once', () => {
    expect(final).toMatchObject({ state: 'COMPLETED' });
    expect(final.markName).toMatch(/^BTS_/);
    const marks = shown.flatMap(({ markName }) => markName ?? []);
    expect(new Set(marks)).toEqual(new Set([final.markName]));
  });

  it('opens every database at that mark', async () => {
    await connected(sample.estate.standbys, 'system test', async connections => {
      for (const [{ databases }, connection] of connections)
        for (const name of databases) {
          const [state] = await connection.rows(`SELECT state_desc FROM sys.databases WHERE name = N'${name}'`);
          const rows = await connection.rows(`SELECT MarkName FROM [${name}].dbo.MarkLog`);
          const newest = rows.map(({ MarkName }) => String(MarkName)).toSorted();
          expect({ name, state: state?.['state_desc'], mark: newest.at(-1) }).toEqual({
            name,
            state: 'ONLINE',
            mark: final.markName,
          });
        }
    });
  });

  it('repeats nothing at the standby that must not be repeated', async () => {
    const statements = await sample.statements();
    const opened = statements.filter(({ text }) => /^\s*RESTORE\s+DATABASE\b[^]*\bWITH\s+RECOVERY\b/i.test(text));
    expect(opened.filter(({ outcome }) => outcome === 'ok')).toHaveLength(databasesOf(sample.estate.group).length);
    expect(countUnsafeRepeats(statements)).toBe(0);
  });

  it('asks people for one step after the other, keeps what they said through a kill -9 and ends when all is settled', () => {
    const states = (of: readonly Step[]): string[] => of.map(({ state }) => state);
    const waiting = (count: number): string[] => Array.from({ length: count }, () => 'WAITING');
    expect(states(steps.asked)).toEqual(['AWAITING_CONFIRMATION', ...waiting(steps.asked.length - 1)]);
    expect(people).toMatchObject({
      tooEarly: { __typename: 'StepNotWaiting', state: 'WAITING' },
      skipped: { __typename: 'Execution' },
      again: { __typename: 'StepNotWaiting', state: 'SKIPPED' },
      confirmed: { __typename: 'Execution' },
    });
    const left = steps.asked.length - 3;
    expect(states(steps.before)).toEqual(['SKIPPED', 'SUCCEEDED', 'AWAITING_CONFIRMATION', ...waiting(left)]);
    expect(steps.after).toEqual(steps.before);
    const [skipped, ...confirmed] = steps.last;
    expect(skipped?.reasons.at(-1)).toMatchObject({ code: 'SKIPPED', message: expect.stringContaining(skipReason) });
    expect(new Set(states(confirmed))).toEqual(new Set(['SUCCEEDED']));
    expect(final).toMatchObject({ state: 'COMPLETED' });
  });

  it('tells shipping how it ended, and nobody else starts one', async () => {
    await untilSo(sample, 'recovered', async () => (await sample.standby()).state === 'RECOVERED');
    expect(await countExecutions()).toBe(1);
  }, 120_000);
});
