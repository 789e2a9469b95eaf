import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { type Execution, requestFailover } from '../failover/failover.ts';
import { followThrough, type FollowThrough } from '../failover/follow-through.ts';
import { startOperator } from '../failover/operator.ts';
import { type LoggedStatement, readStatementLogs } from '../failover/statements.ts';
import type { Holdfast } from '../holdfast.ts';
import type { Protected } from '../protect/protect.ts';
import type { Moment } from './moment.ts';

export type Crash = {
  /** When, in words. */
  readonly at: string;
  /** From the kill until it answers again. */
  readonly restartSeconds: number;
  /** Every mark that the execution showed and that was sent to the standby, before and after: once it is chosen it may not change. */
  readonly marksShown: readonly string[];
};

export type CrashOptions = {
  readonly holdfast: Holdfast;
  readonly registered: Protected;
  readonly moment: Moment;
  /** Of the standby. */
  readonly instances: readonly { readonly statementLog: string }[];
  readonly following: FollowThrough;
};

type Shown = { readonly state: string; readonly markName: string | null };
type Asked = { readonly id: Promise<string>; readonly startedAtMs: number };

/** Asks for the failover, kills Holdfast with -9 at the moment, starts it again and follows the failover to its end. */
export async function failOverThroughCrash(options: CrashOptions): Promise<{ execution: Execution; crash: Crash }> {
  const { holdfast, registered, moment, following } = options;
  const marks = new Set<string>();
  const note = (shown: Shown): void => {
    const { markName } = shown;
    if (markName !== null) marks.add(markName);
    following.onState?.(shown);
  };
  // A request whose answer is lost is asked again under the same key.
  const key = randomUUID();
  const id = requestFailover(holdfast.client(), registered, key);
  const asked: Asked = { id, startedAtMs: performance.now() };
  const before = id.catch(() => undefined);
  const at = await untilMoment(options, asked, note);
  const killedAtMs = Date.now();
  const restartSeconds = await holdfast.restart();
  const executionId = await requestFailover(holdfast.client(), registered, key);
  const answered = await before;
  if (answered !== undefined && answered !== executionId)
    throw new Error(
      `The same request was answered with execution ${answered}, and after the crash with ${executionId}.`,
    );
  const execution = await followThrough(holdfast.client(), executionId, { ...following, onState: note });
  for (const mark of await marksSent(options)) marks.add(mark);
  const servers = moment.kind === 'statement' ? await serversAt(killedAtMs, options) : '';
  return { execution, crash: { at: at + servers, restartSeconds, marksShown: [...marks] } };
}

async function untilMoment(options: CrashOptions, asked: Asked, note: (shown: Shown) => void): Promise<string> {
  const { holdfast, moment, following } = options;
  if (moment.kind === 'delay') return untilDelayIsOver(options, asked, moment.delayMs, note);
  const id = await asked.id;
  // Some places come only when people have done their part.
  const operator = startOperator(holdfast.client(), id, following.say ?? (() => undefined), following.look);
  try {
    return await Promise.race([untilPlace(options, moment, id, note), operator.failed]);
  } finally {
    // What it asks is answered before the kill.
    await Promise.allSettled([operator.stop()]);
  }
}

async function untilPlace(
  options: CrashOptions,
  moment: Exclude<Moment, { kind: 'delay' }>,
  id: string,
  note: (shown: Shown) => void,
): Promise<string> {
  const { holdfast, following } = options;
  const limit = AbortSignal.timeout(following.limitMs);
  const held = await Promise.race([holdfast.held().then(() => true), untilAborted(limit).then(() => false)]);
  if (!held) throw new Error(`Holdfast never came to ${moment.holdAt}: ${JSON.stringify(await show(holdfast, id))}.`);
  if (moment.kind === 'state') {
    await until(limit, `state ${moment.state}`, async () => {
      const shown = await show(holdfast, id);
      note(shown);
      return shown.state === moment.state;
    });
    return `${moment.state}, at ${moment.holdAt}`;
  }
  const passing = passingOf(moment.holdAt);
  await until(limit, `the statement of ${moment.holdAt} in the standby's logs`, async () => {
    const sent = await statementsSent(options);
    // Which of them is held nobody says: several databases move at once. Once all have ended, so has that one.
    return sent.length >= passing && (moment.server === 'begun' || sent.every(({ end }) => end !== undefined));
  });
  return `between a statement's sending and its answer, at ${moment.holdAt}`;
}

async function untilDelayIsOver(
  { holdfast }: CrashOptions,
  { id, startedAtMs }: Asked,
  delayMs: number,
  note: (shown: Shown) => void,
): Promise<string> {
  let last = 'not answered yet';
  const answered = id.then(executionId => {
    last = 'accepted';
    return executionId;
  });
  // The kill may cut it; who asks again hears of it.
  answered.catch(() => undefined);
  const left = (): number => Math.max(startedAtMs + delayMs - performance.now(), 0);
  const over = pause(left());
  while (left() > 0) {
    // The moment comes while it is asked as well.
    const shown = await Promise.race([answered.then(executionId => show(holdfast, executionId)), over]);
    if (shown === undefined) break;
    note(shown);
    last = shown.state;
    await pause(Math.min(10, left()));
  }
  return `${delayMs} ms after the request, last seen: ${last}`;
}

async function show(holdfast: Holdfast, id: string): Promise<Shown> {
  const { execution } = await holdfast
    .client()
    .ask<{ execution: Shown }>('query ($id: ID!) { execution(id: $id) { state markName } }', { id });
  return execution;
}

async function marksSent({ instances }: CrashOptions): Promise<string[]> {
  const lines = (await readStatementLogs(instances)).flat();
  const ours = lines.filter(({ program }) => program.startsWith('holdfast-restore '));
  return ours.flatMap(({ text }) => /\bSTOPATMARK\s*=\s*N'([^']+)'/i.exec(text)?.[1] ?? []);
}

/** How far the servers were with what was sent when its sender died: both clocks are this machine's. */
async function serversAt(killedAtMs: number, options: CrashOptions): Promise<string> {
  const sent = await statementsSent(options);
  const running = sent.filter(
    ({ at, end }) => Date.parse(at) < killedAtMs && !(end !== undefined && Date.parse(end.at) < killedAtMs),
  );
  return running.length === 0
    ? ', after the servers had ended all of them'
    : `, while the servers ran ${running.length} of them`;
}

type Sent = LoggedStatement & { readonly end: LoggedStatement | undefined };

/** The statements of the kind that the place is about, as the servers began them. */
async function statementsSent({ instances, moment }: CrashOptions): Promise<readonly Sent[]> {
  const kind = moment.holdAt.startsWith('execution/recover/') ? opens : restores;
  return (await readStatementLogs(instances)).flatMap(log => {
    const ours = log.filter(({ program, text }) => program.startsWith('holdfast-restore ') && kind.test(text));
    return ours.flatMap((line, index) => {
      if (line.outcome !== 'started') return [];
      // A session does one thing at a time: if it has ended, that is its next line.
      const next = ours.slice(index + 1).find(({ spid }) => spid === line.spid);
      return [{ ...line, end: next?.outcome === 'started' ? undefined : next }];
    });
  });
}

/** Which passing of the place is held. */
function passingOf(holdAt: string): number {
  return Number(/:(\d+)$/.exec(holdAt)?.[1] ?? 1);
}

const restores = /^\s*RESTORE\s+(?:DATABASE|LOG)\b[^]*\bFROM\b/i;
const opens = /^\s*RESTORE\s+DATABASE\s+\[(?:[^\]]|\]\])+\]\s+WITH\s+RECOVERY\b/i;

async function until(limit: AbortSignal, what: string, isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) {
    if (limit.aborted) throw new Error(`There was no ${what} in time.`);
    await pause(2);
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => signal.addEventListener('abort', () => resolve(), { once: true }));
}
