import type { StepReason } from './step.ts';

/** `resolution`: 0 none, 1 presume commit, 2 presume abort; null when it could not be read. */
export type InDoubtResolution = { readonly instanceName: string; readonly resolution: number | null };

/**
 * What could go wrong should a database hold a prepared distributed transaction when it is opened (sqlserver.md §3.5). It is shown and the
 * failover goes on: a drained mark leaves no such transaction, databases are only ever opened at a mark, 0 is what servers come with, and
 * giving the standby back would bring nothing that setting the option does not.
 */
export function inDoubtReasons(found: readonly InDoubtResolution[]): readonly StepReason[] {
  const evidence = found
    .map(({ instanceName, resolution }) => `${instanceName}: ${resolution === null ? 'unknown' : String(resolution)}`)
    .join(', ');
  const reason = (code: string, message: string): StepReason => ({
    code,
    message,
    fix:
      "Set 'in-doubt xact resolution' (an advanced option of sp_configure) to one value, 1 or 2, on all instances of the standby; it works" +
      ' at once after RECONFIGURE. A mark that was taken properly leaves no such transaction, so the failover goes on.',
    evidence,
    since: null,
  });
  const named = (resolution: number | null) =>
    found.filter(one => one.resolution === resolution).map(({ instanceName }) => instanceName);
  const [unknown, none] = [named(null), named(0)];
  const presumed = new Set(found.map(({ resolution }) => resolution).filter(one => one !== null && one !== 0));
  return [
    ...(unknown.length > 0
      ? [
          reason(
            'IN_DOUBT_UNKNOWN',
            `What ${unknown.join(' and ')} presume of in-doubt transactions could not be read.`,
          ),
        ]
      : []),
    ...(none.length > 0
      ? [
          reason(
            'IN_DOUBT_NOT_PRESUMED',
            `${none.join(' and ')}: nothing is presumed of in-doubt transactions. A database that holds one would not open and be SUSPECT (3431, 3437, 3414).`,
          ),
        ]
      : []),
    ...(presumed.size > 1
      ? [
          reason(
            'IN_DOUBT_DIFFERS',
            'The instances presume differently: one would commit its part of an in-doubt transaction and another undo it.',
          ),
        ]
      : []),
  ];
}
