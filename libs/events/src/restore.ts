import { z } from 'zod';
import { contract, id, time, version } from './contract.ts';

/** Asks shipping to stop touching the standby; answered by `standby.yielded`. */
export const standbyClaimed = contract({
  service: 'restore',
  name: 'standby.claimed.v1',
  schema: z.object({ executionId: id, groupId: id, standbyId: id, claimedAt: time }),
  key: payload => payload.groupId,
  subject: payload => payload.standbyId,
});

export const standbyReleased = contract({
  service: 'restore',
  name: 'standby.released.v1',
  schema: z.object({
    executionId: id,
    groupId: id,
    standbyId: id,
    /** RECOVERED: its databases are online and its chain is over. RETURNED: nothing was recovered, shipping may go on. */
    outcome: z.enum(['RECOVERED', 'RETURNED']),
    releasedAt: time,
  }),
  key: payload => payload.groupId,
  subject: payload => payload.standbyId,
});

export const executionChanged = contract({
  service: 'restore',
  name: 'execution.changed.v1',
  schema: z.object({
    executionId: id,
    groupId: id,
    standbyId: id,
    version,
    kind: z.enum(['FAILOVER', 'FAILBACK', 'DRILL']),
    mode: z.enum(['PLANNED', 'UNPLANNED']),
    state: z.enum([
      'REQUESTED',
      'FENCING',
      'DRAINING',
      'CHOOSING_TARGET',
      'ALIGNING',
      'AT_MARK',
      'RECOVERING',
      'REFERENCING',
      'AWAITING_OPERATOR',
      'VERIFYING',
      'COMPLETED',
      'CANCELLED',
      'FAILED',
    ]),
    markName: z.string().nullable(),
    passedPointOfNoReturn: z.boolean(),
    startedAt: time,
    finishedAt: time.nullable(),
  }),
  key: payload => payload.groupId,
  subject: payload => payload.executionId,
});
