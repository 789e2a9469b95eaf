import type { ExecutionId, GroupId, InstanceId, MarkName, StandbyId } from '@holdfast/domain';
import { shippingReason, type ShippingReason } from './reason.ts';

export type StandbyState =
  | 'SEEDING'
  | 'IN_SYNC'
  | 'LAGGING'
  | 'BLOCKED'
  | 'NO_COMMON_MARK'
  | 'REPAIRING'
  | 'PAUSED'
  | 'YIELDED'
  | 'RECOVERED'
  | 'UNKNOWN';

export type Standby = {
  readonly id: StandbyId;
  readonly groupId: GroupId;
  readonly groupName: string;
  readonly site: string;
  /** The newest log is applied up to its mark, instead of being held back before it. */
  readonly restAtMark: boolean;
  readonly state: StandbyState;
  readonly reasons: readonly ShippingReason[];
  /** Raised by one with every change that others may act on. */
  readonly version: number;
  readonly newestCommonMark: MarkName | null;
  readonly claim: Claim | null;
  readonly pause: Pause | null;
  /** When all of its instances were last asked, RFC 3339 UTC. */
  readonly observedAt: string | null;
  readonly instances: readonly StandbyInstance[];
};

/** An execution of restore asks for the standby; `yieldedAt` is null until nothing of ours runs there any more. */
export type Claim = { readonly executionId: ExecutionId; readonly yieldedAt: string | null };

/** Somebody stopped the runners. Times are RFC 3339 UTC; `until` null: until it is resumed. */
export type Pause = {
  readonly reason: string;
  readonly by: string;
  readonly at: string;
  readonly until: string | null;
  /** null until nothing of ours runs there any more. */
  readonly stoppedAt: string | null;
};

export type StandbyInstance = {
  readonly standbyId: StandbyId;
  readonly instanceId: InstanceId;
  /** As the server calls itself. */
  readonly instanceName: string;
  /** Server names of the source instances whose databases come here. */
  readonly sourceInstances: readonly string[];
  readonly folders: readonly TransferFolder[];
  readonly observedAt: string | null;
  /** Why the last look failed; null when it did not. */
  readonly error: string | null;
};

/** One folder of backup files in three views; `read` and `write` are paths of this machine, the others of SQL Servers. */
export type TransferFolder = {
  readonly source: string;
  readonly sourceInstance: string;
  readonly read: string;
  readonly write: string;
  readonly standby: string;
};

/** Nothing may be sent to it: it is held by an execution, or its chain is over. */
export function isHeld({ claim, state }: Pick<Standby, 'claim' | 'state'>): boolean {
  return claim !== null || state === 'RECOVERED';
}

/** Runners do nothing: it is held, or somebody paused it. */
export function rests(standby: Pick<Standby, 'claim' | 'state' | 'pause'>): boolean {
  return isHeld(standby) || standby.pause !== null;
}

/** What was asked of it is not brought about yet. */
export function isUnderWay({ state }: Pick<Standby, 'state'>): boolean {
  return state === 'SEEDING' || state === 'REPAIRING' || state === 'UNKNOWN';
}

export function paused(standby: Standby, pause: Pause): Standby {
  const others = standby.pause === null ? [] : standby.reasons.filter(({ code }) => code !== 'PAUSED');
  return { ...standby, state: 'PAUSED', reasons: [pauseReason(pause), ...others], pause, version: standby.version + 1 };
}

/** `unasked`: where nobody could look whether an older leader of ours is still connected. */
export function stopped(standby: Standby, pause: Pause, now: string, unasked: readonly ShippingReason[]): Standby {
  const reasons = [...standby.reasons, ...unasked.map(reason => ({ ...reason, since: now }))];
  const version = standby.version + (unasked.length > 0 ? 1 : 0);
  return { ...standby, reasons, pause: { ...pause, stoppedAt: now }, version };
}

/** Its state is unknown until it has been looked at again. */
export function resumed(standby: Standby): Standby {
  return { ...standby, state: 'UNKNOWN', reasons: [], pause: null, version: standby.version + 1 };
}

export function claimed(standby: Standby, executionId: ExecutionId): Standby {
  return { ...standby, claim: { executionId, yieldedAt: null }, version: standby.version + 1 };
}

/** A standby whose chain is over stays RECOVERED: nobody may take the answer for a promise that it can be restored. */
export function yielded(standby: Standby, executionId: ExecutionId, now: string): Standby {
  const state = standby.state === 'RECOVERED' ? 'RECOVERED' : 'YIELDED';
  return { ...standby, state, reasons: [], claim: { executionId, yieldedAt: now }, version: standby.version + 1 };
}

/**
 * RETURNED: its state is unknown until it has been looked at again; others have worked there. Who paused it before wants it to rest all the
 * same.
 */
export function released(standby: Standby, outcome: 'RECOVERED' | 'RETURNED'): Standby {
  const over = outcome === 'RECOVERED' || standby.state === 'RECOVERED';
  const pause = over ? null : standby.pause;
  const state = over ? 'RECOVERED' : pause === null ? 'UNKNOWN' : 'PAUSED';
  const reasons = pause === null ? [] : [pauseReason(pause)];
  return { ...standby, state, reasons, newestCommonMark: null, claim: null, pause, version: standby.version + 1 };
}

function pauseReason({ by, reason: why, until, at }: Pause): ShippingReason {
  return { ...shippingReason('PAUSED', { by, why, until }), since: at };
}
