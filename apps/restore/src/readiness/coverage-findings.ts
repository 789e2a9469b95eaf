import type { GroupView } from '../estate/estate.ts';
import { degraded, type Finding, make } from './finding.ts';

/** Where no failover could end well: what is not in the sets, has no log chain, or breaks the job for all. Everything else weakens. */
const stopsFailover: readonly string[] = [
  'NOT_IN_JOB',
  'NOT_FULL_RECOVERY',
  'PROCEDURES_MISSING',
  'UNRESOLVED_SERVER',
  'IN_AVAILABILITY_GROUP',
];

/** Problems of coverage that a finding about the database itself, under this code, says already. */
const saidAs: Readonly<Record<string, string>> = {
  NOT_FULL_RECOVERY: 'NOT_FULL_RECOVERY',
  NOT_ONLINE: 'DATABASE_NOT_ONLINE',
};

/** As inventory published it last. `said`: of each database of the group, the codes of what was found about it otherwise. */
export function coverageFindings(
  { coverage }: Pick<GroupView, 'coverage'>,
  said: ReadonlyMap<string, readonly string[]>,
): readonly Finding[] {
  if (coverage == null)
    return [
      degraded(
        'COVERAGE_UNKNOWN',
        'Whether the backup job covers every database that belongs to the group is not known here.',
        'Look whether inventory observes the group.',
      ),
    ];
  const names = new Map([...said].map(([name, codes]) => [name.toLowerCase(), codes]));
  return coverage.flatMap(({ database, instance, problem, reason }) => {
    const place = instance === '' ? database : `${database} at ${instance}`;
    if (problem === 'UNKNOWN')
      return [degraded('COVERAGE_UNKNOWN', `${place}: ${reason.message}`, reason.fix, reason.evidence, reason.since)];
    const code = saidAs[problem];
    if (code !== undefined && names.get(database.toLowerCase())?.includes(code)) return [];
    const verdict = stopsFailover.includes(problem) ? 'NOT_READY' : 'DEGRADED';
    const { message, fix, evidence, since } = reason;
    return [make(verdict, `COVERAGE_${problem}`, `${place}: ${message}`, fix, evidence, since)];
  });
}
