import type { StandbyId } from '@holdfast/domain';
import type { Outbox } from '@holdfast/messaging';
import { allows, type Caller, type NotAllowed } from '@holdfast/service';
import type { Transactor } from '@holdfast/store';
import type { ShippingTables } from '../tables.ts';
import { type ExecutionHolds, executionHolds, type InvalidInput, type NotFound, notFound } from './refusal.ts';
import type { ShippingReason } from './reason.ts';
import { paused, type Pause, resumed, type Standby, stopped } from './standby.ts';
import { type CommandDependencies, publishStandby } from './standby-commands.ts';
import { findStandby, keepTrace, saveStandby } from './standby-store.ts';

export type PauseStandby = {
  readonly standbyId: StandbyId;
  readonly reason: string;
  /** RFC 3339. */
  readonly until: string | null;
};
export type PauseResult =
  | { readonly kind: 'CHANGED'; readonly standby: Standby }
  | ({ readonly kind: 'NotAllowed' } & NotAllowed)
  | NotFound
  | InvalidInput
  | ExecutionHolds;

/**
 * From this commit on nobody begins anything at the standby; what is under way there is brought to its end by the stream runner. Asked
 * again, reason and end are replaced.
 */
export async function pauseStandby(
  { store, outbox, clock }: CommandDependencies,
  caller: Caller,
  { standbyId, reason, until }: PauseStandby,
): Promise<PauseResult> {
  const now = clock();
  return store.transaction(async tx => {
    const standby = await findStandby(tx, standbyId);
    const refused = refusalFor(standby, standbyId, caller);
    if (standby === undefined || refused !== undefined) return refused ?? notFound(standbyId);
    if (reason.trim() === '') return invalid('reason', 'reason is empty.', 'Say why, for those who find it paused.');
    if (until !== null && !(Date.parse(until) > now))
      return invalid('until', `${until} is no time to come.`, 'Give a later time, or none.');
    if (standby.state === 'RECOVERED')
      return invalid('standbyId', 'The chain of this standby is over: nothing runs there.', 'Name another standby.');
    const changed = paused(standby, {
      reason: reason.trim(),
      by: caller.sub,
      at: new Date(now).toISOString(),
      until: until === null ? null : new Date(until).toISOString(),
      stoppedAt: standby.pause?.stoppedAt ?? null,
    });
    return change(tx, outbox, changed);
  });
}

/** One that is not paused stays as it is. */
export async function resumeStandby(
  { store, outbox }: CommandDependencies,
  caller: Caller,
  standbyId: StandbyId,
): Promise<PauseResult> {
  return store.transaction(async tx => {
    const standby = await findStandby(tx, standbyId);
    const refused = refusalFor(standby, standbyId, caller);
    if (standby === undefined || refused !== undefined) return refused ?? notFound(standbyId);
    if (standby.pause === null) return { kind: 'CHANGED', standby };
    return change(tx, outbox, resumed(standby));
  });
}

async function change(tx: Transactor<ShippingTables>, outbox: Outbox, standby: Standby): Promise<PauseResult> {
  await saveStandby(tx, standby);
  await keepTrace(tx, standby.id);
  await publishStandby(tx, outbox, standby);
  return { kind: 'CHANGED', standby };
}

/**
 * Called by the runner when nothing of ours runs there any more, as far as anybody can see (`stopped`); nothing happens where another pause,
 * or none, is stored by now.
 */
export async function noteStopped(
  { store, outbox, clock }: CommandDependencies,
  standbyId: StandbyId,
  pause: Pause,
  unasked: readonly ShippingReason[],
): Promise<void> {
  await store.transaction(async tx => {
    const standby = await findStandby(tx, standbyId);
    if (standby?.pause?.at !== pause.at || standby.pause.stoppedAt !== null) return;
    const changed = stopped(standby, standby.pause, new Date(clock()).toISOString(), unasked);
    await saveStandby(tx, changed);
    if (unasked.length > 0) await publishStandby(tx, outbox, changed);
  });
}

/** Its time is over. */
export async function endPause(
  { store, outbox }: CommandDependencies,
  standbyId: StandbyId,
  pause: Pause,
): Promise<void> {
  await store.transaction(async tx => {
    const standby = await findStandby(tx, standbyId);
    if (standby?.pause?.at !== pause.at || standby.claim !== null) return;
    const changed = resumed(standby);
    await saveStandby(tx, changed);
    await publishStandby(tx, outbox, changed);
  });
}

function refusalFor(standby: Standby | undefined, standbyId: StandbyId, caller: Caller): PauseResult | undefined {
  const notAllowed = allows(caller, 'operate');
  if (notAllowed !== undefined) return { kind: 'NotAllowed', ...notAllowed };
  // One out of the caller's scope looks like one that does not exist.
  if (standby === undefined || allows(caller, 'operate', standby.groupId) !== undefined) return notFound(standbyId);
  return standby.claim === null ? undefined : executionHolds(standby.claim);
}

function invalid(field: string, message: string, fix: string): InvalidInput {
  return { kind: 'InvalidInput', field, message, fix };
}
