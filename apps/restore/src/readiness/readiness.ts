import type { Estate, GroupView } from '../estate/estate.ts';
import type { SourceRecord } from '../execution/execution.ts';
import type { StepReason } from '../execution/step.ts';
import { coverageFindings } from './coverage-findings.ts';
import { degraded, type Finding, notReady, type ReadinessVerdict, unknown } from './finding.ts';
import type { KnownLogins } from '../estate/login-difference.ts';
import { loginFindings } from './login-findings.ts';
import { standbyFindings } from './standby-findings.ts';

/** The weakest link of everything that a failover of the group would need. */
export type Readiness = {
  readonly verdict: ReadinessVerdict;
  readonly reasons: readonly StepReason[];
  /** The position that was seen longest ago, RFC 3339 UTC; null when one was never seen. */
  readonly observedAt: string | null;
};

export type ReadinessFacts = {
  /** Undefined: nobody has published the group yet. */
  readonly group: GroupView | undefined;
  /** One for each standby of the group. */
  readonly estates: readonly Estate[];
  /** Standby instances whose address has not come here. */
  readonly unaddressed: readonly string[];
  /** By instance; one that is not here has not been read. */
  readonly logins: KnownLogins;
  readonly runningSince: string | null;
  /** Sources of failovers that have completed. */
  readonly sources: readonly SourceRecord[];
  readonly now: number;
  /** How often the backup job is expected to place a mark. */
  readonly markEveryMs: number;
};

const rank: Record<ReadinessVerdict, number> = { READY: 0, DEGRADED: 1, UNKNOWN: 2, NOT_READY: 3 };

/** Never an average: one link that is not good makes the group what that link is, and what nobody has checked keeps it from READY. */
export function readinessOf(facts: ReadinessFacts): Readiness {
  const standing = standbysThatCount(facts.estates);
  const findings = [
    ...groupFindings(facts.group),
    ...executionFindings(facts),
    ...(facts.group !== undefined && standing.length === 0 ? [noStandby()] : []),
    ...facts.unaddressed.map(notAddressed),
    ...standing.flatMap(estate => standbyFindings(estate, facts)),
    ...(facts.group === undefined ? [] : coverageFindings(facts.group, saidOf(facts.group))),
    ...standing.flatMap(estate => loginFindings(estate, facts.logins)),
    ...unchecked,
  ].toSorted((a, b) => rank[b.verdict] - rank[a.verdict]);
  return {
    verdict: findings[0]?.verdict ?? 'READY',
    reasons: distinct(findings.map(({ reason }) => reason)),
    observedAt: oldest(standing),
  };
}

/** A standby whose chain is over does not count while another one stands. */
function standbysThatCount(estates: readonly Estate[]): readonly Estate[] {
  const standing = estates.filter(({ standby }) => standby.state !== 'RECOVERED');
  return standing.length > 0 ? standing : estates;
}

/** What nobody has looked at, and a failover would nevertheless need (biztalk-dr.md §4.3, steps 9 to 17). */
const unchecked: readonly Finding[] = [
  degraded(
    'SECRET_UNVERIFIED',
    'Nobody has shown that the master secret can be restored.',
    'Keep the secret file and its password away from the source site and restore it once for practice: without it SSODB cannot be read.',
  ),
  degraded(
    'NEVER_DRILLED',
    'No drill has recovered this group yet.',
    'Recover it once from the standby on a separate copy, and look at the result.',
  ),
];

function groupFindings(group: GroupView | undefined): readonly Finding[] {
  if (group === undefined)
    return [
      unknown(
        'GROUP_UNKNOWN',
        'The group has not been seen here yet.',
        'If it was just registered, look again in a moment.',
      ),
    ];
  return group.databases.flatMap(databaseFindings);
}

/** Codes of what was found about each database. */
function saidOf({ databases }: GroupView): ReadonlyMap<string, readonly string[]> {
  return new Map(
    databases.map(database => [database.name, databaseFindings(database).map(({ reason }) => reason.code)]),
  );
}

function databaseFindings({
  name,
  state,
  recoveryModel,
  inBackupJob,
}: GroupView['databases'][number]): readonly Finding[] {
  if (!inBackupJob) return [];
  if (state === null || recoveryModel === null)
    return [
      unknown(
        'DATABASE_NOT_SEEN',
        `${name} could not be seen at the source.`,
        'Look at the observation of its instance.',
      ),
    ];
  return [
    ...(state === 'ONLINE'
      ? []
      : [
          degraded(
            'DATABASE_NOT_ONLINE',
            `${name} is ${state} at the source.`,
            'The backup job fails on it; bring it online.',
          ),
        ]),
    ...(recoveryModel === 'FULL'
      ? []
      : [
          notReady(
            'NOT_FULL_RECOVERY',
            `${name} is in ${recoveryModel} recovery.`,
            'Set it to FULL and force a full backup: without a log chain it cannot be brought to a mark.',
          ),
        ]),
  ];
}

function executionFindings({ runningSince, sources }: ReadinessFacts): readonly Finding[] {
  const cameBack = sources.flatMap(({ instanceName, cameBackAt, outcome }) =>
    cameBackAt === null
      ? []
      : [
          notReady(
            'SOURCE_CAME_BACK',
            `${instanceName} answers again, though the group was failed over from it.`,
            'Two live copies of one group must not exist: take its databases offline, or cut it off, before anything writes to it.',
            `outcome ${outcome}`,
            cameBackAt,
          ),
        ],
  );
  if (runningSince === null) return cameBack;
  const running = notReady(
    'EXECUTION_RUNNING',
    'An execution of the group has not ended.',
    'Follow it; readiness is judged again when the standby has been given back.',
    null,
    runningSince,
  );
  return [running, ...cameBack];
}

function oldest(estates: readonly Estate[]): string | null {
  const seen = estates.flatMap(({ standby, streams }) =>
    standby.streams.map(
      ({ databaseId }) => streams.find(stream => stream.databaseId === databaseId)?.observedAt ?? null,
    ),
  );
  if (seen.includes(null)) return null;
  return seen.toSorted((a, b) => Date.parse(a ?? '') - Date.parse(b ?? ''))[0] ?? null;
}

function distinct(reasons: readonly StepReason[]): readonly StepReason[] {
  const key = ({ code, message, evidence }: StepReason) => JSON.stringify([code, message, evidence]);
  return [...new Map(reasons.toReversed().map(reason => [key(reason), reason])).values()].toReversed();
}

function noStandby(): Finding {
  return notReady('NO_STANDBY', 'The group has no standby.', 'Create one with createStandby.');
}

function notAddressed(instance: string): Finding {
  return unknown(
    'INSTANCE_NOT_ADDRESSED',
    `How to reach ${instance} is not known here.`,
    'Look whether the instance is registered and inventory runs.',
  );
}
