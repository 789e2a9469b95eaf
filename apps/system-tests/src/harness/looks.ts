import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, it } from '@jest/globals';
import { countUnsafeRepeats, readStatementLogs } from '@holdfast/demo';
import type { Stage } from './takeover.ts';
import { isChanging, overtakenStatements } from './witness.ts';

type Observed = { readonly observation: { readonly observedAt: string } };

function isLater({ observation }: Observed, ms: number): boolean {
  return Date.parse(observation.observedAt) > ms + 1_000;
}

/** Looked at since: what the frozen one saw is older. */
export async function observedSince({ ask, registered }: Stage, ms: number): Promise<boolean> {
  const query = 'query ($id: ID!) { group(id: $id) { observation { observedAt } } }';
  const answer = await ask<{ group: Observed }>(query, { id: registered.groupId });
  return answer !== undefined && isLater(answer.group, ms);
}

/** The history was read since. */
export async function readHistorySince({ ask, registered }: Stage, ms: number): Promise<boolean> {
  const query = 'query ($id: ID!) { group(id: $id) { backupSets { nodes { observation { observedAt } } } } }';
  const answer = await ask<{ group: { backupSets: { nodes: readonly Observed[] } } }>(query, {
    id: registered.groupId,
  });
  return answer?.group.backupSets.nodes.some(set => isLater(set, ms)) === true;
}

type Standby = { readonly state: string; readonly newestCommonMarkName: string | null };

async function standbyOf({ ask, registered }: Stage): Promise<Standby | undefined> {
  const query = 'query ($id: ID!) { standby(id: $id) { state newestCommonMarkName } }';
  return (await ask<{ standby: Standby }>(query, { id: registered.standbyId }))?.standby;
}

/** All of its databases can stop at one. */
export async function hasMark(stage: Stage): Promise<boolean> {
  return ((await standbyOf(stage))?.newestCommonMarkName ?? null) !== null;
}

/** In sync with a source at which nothing happens any more: on a busy machine a standby may follow the running job for ever without being so. */
export async function caughtUp(stage: Stage): Promise<boolean> {
  await stage.endWork();
  const standby = await standbyOf(stage);
  return standby?.state === 'IN_SYNC' && standby.newestCommonMarkName !== null;
}

type Execution = {
  readonly state: string;
  readonly sources: readonly { readonly cameBackAt: string | null }[];
  readonly steps: readonly { readonly id: string; readonly state: string }[];
};

export async function executionOf({ ask }: Stage, id: string): Promise<Execution | undefined> {
  const query = 'query ($id: ID!) { execution(id: $id) { state sources { cameBackAt } steps { id state } } }';
  return (await ask<{ execution: Execution }>(query, { id }))?.execution;
}

/** As the people of a failover do. True: nothing waits for anybody now. */
export async function confirmWhatWaits(stage: Stage, executionId: string): Promise<boolean> {
  const steps = (await executionOf(stage, executionId))?.steps ?? [];
  const waiting = steps.find(({ state }) => state === 'AWAITING_CONFIRMATION');
  if (waiting === undefined) return true;
  const confirm = `mutation ($input: StepInput!) {
    confirmStep(input: $input) { __typename ... on Refusal { message } } }`;
  await stage.ask(confirm, { input: { executionId, stepId: waiting.id, note: 'Seen to it.' } });
  return false;
}

/** Those people, until `signal`: resolves when they have left. */
export async function confirmUntil(signal: AbortSignal, stage: Stage, executionId: string): Promise<void> {
  while (!signal.aborted) if (await confirmWhatWaits(stage, executionId)) await pause(200);
}

/** Whatever came over the bus, read as examples/ shows to integration jobs: each event's schema, repeats, the order of its key. */
async function expectOrderOnBus({ brokers }: Stage): Promise<void> {
  const consumer = fileURLToPath(new URL('../../../../examples/consumer.ts', import.meta.url));
  const child = spawn(process.execPath, ['--disable-warning=TimeoutNegativeWarning', consumer, '--until-idle', '5'], {
    env: { ...process.env, KAFKA_BROKERS: brokers },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (text: Buffer) => (output += text.toString()));
  const [exitCode] = (await once(child, 'close')) as [number];
  const totals: unknown = JSON.parse(output.trim().split('\n').at(-1) ?? '{}');
  expect({ exitCode, totals }).toMatchObject({ exitCode: 0, totals: { invalid: 0, outOfOrder: 0 } });
  expect((totals as { readonly events: number }).events).toBeGreaterThan(0);
}

/** Every leader that woke up ended by itself, and nothing of it took effect. */
function expectNoHarm({ played }: Stage): void {
  const seen = played.map(({ round: { service, places }, doings, output }) => ({
    places,
    exitCode: doings.exitCode,
    said: output.includes(`${service} was replaced by another leader`),
    tables: doings.tables,
    changing: doings.changing.filter(({ outcome }) => outcome === 'ok'),
    copies: doings.copies,
  }));
  const harmless = { exitCode: 1, said: true, tables: [], changing: [], copies: [] };
  expect(seen).toEqual(played.map(({ round: { places } }) => ({ places, ...harmless })));
}

function expectEveryRunnerTried({ played, runners }: Stage): void {
  const tried = played.flatMap(({ round }) => round.places.map(place => place.split('/')[0]));
  for (const [service, names] of runners) {
    expect({ service, runners: names.length }).not.toEqual({ service, runners: 0 });
    expect({ service, untried: names.filter(name => !tried.includes(name)) }).toEqual({ service, untried: [] });
  }
}

/** By the servers' own logs, from the first statement to the last. */
async function expectOrderAtServers({ estate }: Stage): Promise<void> {
  const logs = await readStatementLogs([...estate.primaries, ...estate.standbys]);
  const changes = logs.flat().filter(({ outcome, text }) => outcome === 'ok' && isChanging(text));
  // The logs name whom the checks below look for.
  for (const service of ['shipping', 'restore'])
    expect(changes.some(({ program }) => program.startsWith(`holdfast-${service} `))).toBe(true);
  for (const log of logs) {
    expect(overtakenStatements(log)).toEqual([]);
    expect(countUnsafeRepeats(log)).toBe(0);
  }
}

/** What must be true of leaders that were frozen until they were replaced, and wake up. `stageOf`: asked once the rounds were played. */
export function itHarmsNothing(stageOf: () => Stage): void {
  it('say so and end, and nothing of them takes effect in the store, at a server or among the copies', () => {
    expectNoHarm(stageOf());
  });
  it('were one of every runner of every service', () => {
    expectEveryRunnerTried(stageOf());
  });
  it('send nothing after a newer one and leave nothing to be repeated that must not be', () =>
    expectOrderAtServers(stageOf()));
  it('bring nothing out of order onto the bus', () => expectOrderOnBus(stageOf()));
}
