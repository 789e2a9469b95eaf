import type { StepDecision } from './change.ts';
import type { AsOf, ExecutionCommands } from './execution-commands.ts';
import { nextTurn } from './side-by-side.ts';

/**
 * What a pass records while databases move side by side: one record after the other, each resting on the one before. So an execution has one
 * writer, and its version still tells whether somebody else has moved it. What comes while a record is written goes into the next one
 * together: with many databases the waiting for the disk would otherwise be most of what a failover takes.
 */
export type Journal = {
  /** False: somebody else has moved the execution since. Nothing was recorded, so nothing may be sent, by none of them. */
  note(decision: StepDecision): Promise<boolean>;
  /** The execution after the last record. */
  asOf(): AsOf;
};

export function openJournal(
  from: AsOf,
  { decideSteps }: Pick<ExecutionCommands, 'decideSteps'>,
  noted: (asOf: AsOf) => void,
): Journal {
  let asOf = from;
  let overtaken = false;
  let waiting: StepDecision[] = [];
  /** Not begun yet: it takes all that waits by then. */
  let next: Promise<boolean> | undefined;
  let last: Promise<unknown> = Promise.resolve();
  const record = async (): Promise<boolean> => {
    const decisions = waiting;
    waiting = [];
    next = undefined;
    if (overtaken) return false;
    const recorded = await decideSteps(asOf, decisions);
    if (recorded === 'OVERTAKEN') {
      overtaken = true;
      return false;
    }
    asOf = recorded;
    noted(asOf);
    return true;
  };
  return {
    asOf: () => asOf,
    note: decision => {
      waiting.push(decision);
      // The next turn: answers that have arrived together are noted together.
      next ??= last.then(nextTurn).then(record);
      // Its failure belongs to those who asked for it; the next one rests on what was recorded before.
      last = next.catch(() => undefined);
      return next;
    },
  };
}
