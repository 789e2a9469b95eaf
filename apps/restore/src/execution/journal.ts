import type { AsOf, Recorded } from './execution-commands.ts';

/**
 * What a pass records while databases move side by side: one record after the other, each resting on the one before. So an execution has one
 * writer, and its version still tells whether somebody else has moved it.
 */
export type Journal = {
  /** False: somebody else has moved the execution since. Nothing was recorded, so nothing may be sent, by none of them. */
  note(record: (asOf: AsOf) => Promise<Recorded>): Promise<boolean>;
  /** The execution after the last record. */
  asOf(): AsOf;
};

export function openJournal(from: AsOf, noted: (asOf: AsOf) => void): Journal {
  let asOf = from;
  let overtaken = false;
  let last: Promise<unknown> = Promise.resolve();
  return {
    asOf: () => asOf,
    note: record => {
      const noting = last.then(async () => {
        if (overtaken) return false;
        const recorded = await record(asOf);
        if (recorded === 'OVERTAKEN') {
          overtaken = true;
          return false;
        }
        asOf = recorded;
        noted(asOf);
        return true;
      });
      // Its failure belongs to who asked for it; the next one rests on what was recorded before.
      last = noting.catch(() => undefined);
      return noting;
    },
  };
}
