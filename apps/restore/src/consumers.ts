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
