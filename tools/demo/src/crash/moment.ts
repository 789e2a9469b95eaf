import { oneOf, type Random, wholeBelow } from '../random.ts';

/** When Holdfast's process is killed. */
export type Moment = {
  /** Where a step is held until then, so that the moment cannot be missed: a checkpoint of a runner. */
  readonly holdAt: string;
} & (
  | {
      /** A RESTORE is sent and its answer never seen. */
      readonly kind: 'statement';
      /** The standby's statement log tells: it runs, or it has ended. */
      readonly server: 'begun' | 'ended';
    }
  | {
      /** The execution shows this state. */
      readonly kind: 'state';
      readonly state: string;
    }
  | {
      /** After so long from the request on, wherever it stands. */
      readonly kind: 'delay';
      readonly delayMs: number;
    }
);

const statements = [
  'execution/restore/sent',
  'execution/restore/sent:2',
  'execution/restore/sent:9',
  'execution/recover/sent',
  'execution/recover/sent:2',
  'execution/recover/sent:9',
] as const;

/** From the request to the end. A state belongs to more than one place where a death would lose different things. */
const places = [
  ['REQUESTED', 'execution/begin_fencing/decided'],
  ['FENCING', 'execution/probe/acted'],
  ['FENCING', 'execution/claim/decided'],
  ['DRAINING', 'stream/yield/acted'],
  ['DRAINING', 'execution/take_over/decided'],
  ['CHOOSING_TARGET', 'execution/choose/acted'],
  ['ALIGNING', 'execution/choose/recorded'],
  ['ALIGNING', 'execution/restore/answered'],
  ['AT_MARK', 'execution/check/acted'],
  ['AT_MARK', 'execution/begin_recovery/decided'],
  ['RECOVERING', 'execution/begin_recovery/recorded'],
  ['RECOVERING', 'execution/recover/answered'],
  ['RECOVERING', 'execution/recover/answered:7'],
  ['VERIFYING', 'execution/verify/acted'],
  ['VERIFYING', 'execution/begin_references/decided'],
  ['REFERENCING', 'execution/begin_references/recorded'],
  ['REFERENCING', 'execution/complete/decided'],
] as const;

/** About as long as the sample group's failover takes: the whole of it is hit. */
const longestDelayMs = 2_000;

/** Three seeds in a row give one moment of each kind. */
export function momentOf(seed: number, random: Random): Moment {
  switch (seed % 3) {
    case 0:
      return { kind: 'statement', holdAt: oneOf(random, statements), server: oneOf(random, ['begun', 'ended']) };
    case 1: {
      const [state, holdAt] = oneOf(random, places);
      return { kind: 'state', state, holdAt };
    }
    default:
      // Held before its end: a failover that is over cannot be interrupted.
      return { kind: 'delay', delayMs: wholeBelow(random, longestDelayMs), holdAt: 'execution/complete/decided' };
  }
}
