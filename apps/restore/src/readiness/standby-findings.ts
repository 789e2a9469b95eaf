import type { RecoveryPointId } from '@holdfast/domain';
import { candidatesOf, type Estate, publishedPositions, type StandbyView } from '../estate/estate.ts';
import { reach } from '../execution/choice.ts';
import { unclaimedSets } from '../preview/preview.ts';
import { degraded, type Finding, make, notReady, unknown } from './finding.ts';

/** As `observationOf` judges ages: this many intervals without anything new are stale, and so many are no evidence any more. */
const staleAfterMarks = 2;
const expiredAfterMarks = 10;

/** Of one standby: its state, what can be reached there, and how old that is. */
export function standbyFindings(
  estate: Estate,
  { now, markEveryMs }: { readonly now: number; readonly markEveryMs: number },
): readonly Finding[] {
  const { standby } = estate;
  const state = stateFinding(standby);
  // Its databases are open or in somebody's hands: positions of then say nothing.
  if (standby.state === 'RECOVERED' || standby.state === 'YIELDED') return state;
  const reachable = reach(estate, { kind: 'NEWEST' }, publishedPositions(estate));
  if (reachable.kind !== 'REACHABLE')
    return [...state, ...reachable.reasons.map((reason): Finding => ({ verdict: 'NOT_READY', reason }))];
  const { mark, markedAt, recoveryPointId } = reachable.candidate;
  return [
    ...state,
    ...evidenceFindings(estate, now, markEveryMs),
    ...ageFindings({ mark, markedAt }, now, markEveryMs),
    ...lagFindings(estate, { mark, markedAt }, markEveryMs),
    ...pointFindings(estate, recoveryPointId),
    ...unclaimedSets(estate).map(({ why }): Finding => ({ verdict: 'DEGRADED', reason: why })),
  ];
}

function stateFinding({ state, site, reasons, mode }: StandbyView): readonly Finding[] {
  const own = (verdict: Finding['verdict'], fix: string): readonly Finding[] => [
    make(verdict, state === 'NO_COMMON_MARK' ? state : `STANDBY_${state}`, `The standby in ${site} is ${state}.`, fix),
    ...reasons.map(reason => ({ verdict, reason })),
  ];
  if (mode === 'NATIVE')
    return [
      notReady(
        'NATIVE_STANDBY',
        `The standby in ${site} is restored by the BizTalk jobs.`,
        'Failing over to one is not built yet; use a standby in MANAGED mode.',
      ),
    ];
  switch (state) {
    case 'IN_SYNC':
      return [];
    case 'NO_COMMON_MARK':
      return own('NOT_READY', 'Look which databases are ahead; they have to be seeded again.');
    case 'RECOVERED':
      return own('NOT_READY', 'Its databases were opened: seed a new standby.');
    case 'YIELDED':
      return own('NOT_READY', 'Follow the execution that holds it.');
    case 'UNKNOWN':
      return own('UNKNOWN', 'Look whether its instances can be reached.');
    case 'PAUSED':
      return own('DEGRADED', 'Resume it: its marks get older.');
    case 'SEEDING':
    case 'LAGGING':
    case 'BLOCKED':
    case 'REPAIRING':
      return own('DEGRADED', 'Look at its streams and their reasons.');
  }
}

function evidenceFindings({ standby, streams }: Estate, now: number, markEveryMs: number): readonly Finding[] {
  const seen = standby.streams.map(({ databaseId, databaseName }) => ({
    databaseName,
    observedAt: streams.find(stream => stream.databaseId === databaseId)?.observedAt ?? null,
  }));
  const never = seen.filter(({ observedAt }) => observedAt === null).map(({ databaseName }) => databaseName);
  if (never.length > 0)
    return [
      unknown(
        'POSITION_UNKNOWN',
        `Where ${never.join(', ')} stands was never seen.`,
        'Wait for the first restore at the standby.',
      ),
    ];
  const [worst] = seen.toSorted((a, b) => compare(a.observedAt ?? '', b.observedAt ?? ''));
  const observedAt = worst?.observedAt ?? null;
  if (worst === undefined || observedAt === null) return [];
  const age = now - Date.parse(observedAt);
  if (age <= staleAfterMarks * markEveryMs) return [];
  const verdict = age <= expiredAfterMarks * markEveryMs ? 'DEGRADED' : 'UNKNOWN';
  const code = verdict === 'DEGRADED' ? 'EVIDENCE_STALE' : 'EVIDENCE_EXPIRED';
  const message = `The position of ${worst.databaseName} was last seen to move at ${observedAt}.`;
  return [make(verdict, code, message, 'Look whether the backup job and shipping still run.', null, observedAt)];
}

/** The mark that would be reached now: older than the job's rhythm allows, it is what would be lost. */
function ageFindings(
  { mark, markedAt }: { readonly mark: string; readonly markedAt: string | null },
  now: number,
  markEveryMs: number,
): readonly Finding[] {
  if (markedAt === null)
    return [
      degraded(
        'MARK_TIME_UNKNOWN',
        `When ${mark} was committed is not recorded.`,
        'Make msdb.dbo.logmarkhistory of the source readable.',
      ),
    ];
  if (now - Date.parse(markedAt) <= (staleAfterMarks + 1) * markEveryMs) return [];
  return [
    degraded(
      'NEWEST_MARK_OLD',
      `The newest mark that can be reached, ${mark}, is of ${markedAt}.`,
      'Look whether the backup job runs and its files reach the standby.',
      null,
      markedAt,
    ),
  ];
}

/** Against the newest mark that anybody knows of, proven or not. */
function lagFindings(
  estate: Estate,
  { mark, markedAt }: { readonly mark: string; readonly markedAt: string | null },
  markEveryMs: number,
): readonly Finding[] {
  const [newest] = candidatesOf(estate)
    .filter(candidate => candidate.markedAt !== null)
    .toSorted((a, b) => compare(b.markedAt ?? '', a.markedAt ?? ''));
  if (markedAt === null || newest?.markedAt == null) return [];
  if (Date.parse(newest.markedAt) - Date.parse(markedAt) <= staleAfterMarks * markEveryMs) return [];
  return [
    degraded(
      'STANDBY_BEHIND',
      `The standby can reach ${mark}; the newest mark known is ${newest.mark}.`,
      'Look which files have not reached the standby, or why they do not apply.',
      `${markedAt} against ${newest.markedAt}`,
    ),
  ];
}

/** Its verdict at the source. What lies whole at the standby can be restored all the same, so it degrades and no more. */
function pointFindings({ points }: Estate, recoveryPointId: RecoveryPointId): readonly Finding[] {
  const point = points.find(candidate => candidate.recoveryPointId === recoveryPointId);
  if (point === undefined || point.verdict === 'SOUND') return [];
  return [
    degraded(
      'RECOVERY_POINT_NOT_SOUND',
      `${point.markName} is ${point.verdict} at the source.`,
      'Look at the reasons; what lies at the standby can be restored all the same.',
    ),
    ...point.reasons.map((reason): Finding => ({ verdict: 'DEGRADED', reason })),
  ];
}

function compare(left: string, right: string): number {
  return Date.parse(left) - Date.parse(right);
}
