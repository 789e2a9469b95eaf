import {
  fileCopied,
  groupObserved,
  instanceAddressed,
  jobsObserved,
  loginsObserved,
  recoveryPointJudged,
  setQualified,
  standbyChanged,
  standbyYielded,
  streamMoved,
} from '@holdfast/events';
import { on, type Reaction } from '@holdfast/messaging';
import type { Projections } from '@holdfast/service/host';
import {
  saveAddress,
  saveCopy,
  saveGroup,
  saveJobs,
  saveLogins,
  savePoint,
  saveSet,
  saveStandby,
  saveStream,
  saveYield,
} from './estate/estate-store.ts';
import type { RestoreTables } from './tables.ts';

/** Everything is recorded and nothing is done: the runner sees it when it looks next. */
export const reactions: readonly Reaction<RestoreTables>[] = [
  on(groupObserved, saveGroup),
  on(instanceAddressed, saveAddress),
  on(loginsObserved, saveLogins),
  on(jobsObserved, saveJobs),
  on(setQualified, saveSet),
  on(recoveryPointJudged, savePoint),
  on(standbyChanged, saveStandby),
  on(fileCopied, saveCopy),
  on(streamMoved, saveStream),
  on(standbyYielded, saveYield),
];

/** What the reactions keep, by the key of each table: nothing else writes there, so a rebuild empties it and reads it all again. */
export const projections = {
  group_view: ['group_id'],
  address_view: ['instance_id'],
  login_view: ['instance_id'],
  job_view: ['instance_id'],
  set_view: ['set_id'],
  point_view: ['recovery_point_id'],
  standby_view: ['standby_id'],
  copy_view: ['standby_id', 'file_id'],
  stream_view: ['stream_id'],
  standby_yield: ['execution_id'],
} satisfies Projections<RestoreTables>;
