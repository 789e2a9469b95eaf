import { type DatabaseRole, defaultDatabaseNames } from '@holdfast/domain/biztalk';
import { type GroupTables, type NamedDatabase, sameName, type SeenDatabase } from '../estate/estate.ts';
import { type AwaitedInstance, awaitedReason } from '../group/group.ts';
import * as reasons from './coverage-reasons.ts';
import type { Outdated, Reason } from './coverage-reasons.ts';

export type CoverageProblem =
  | 'NOT_IN_JOB'
  | 'IN_JOB_BUT_MISSING'
  | 'LISTED_TWICE'
  | 'NOT_FULL_RECOVERY'
  | 'NOT_ONLINE'
  | 'PROCEDURES_MISSING'
  | 'UNRESOLVED_SERVER'
  | 'IN_AVAILABILITY_GROUP'
  | 'ENCRYPTED'
  | 'UNKNOWN';

/** `instance`: as the group's tables name it. */
export type CoverageFinding = {
  readonly database: string;
  readonly instance: string;
  readonly problem: CoverageProblem;
  readonly reason: Reason;
};

/** An instance by one of the names that the group's tables have for it. */
export type CoverageInstance = {
  readonly name: string;
  readonly serverName: string;
  /** null: nothing was kept of what it said. */
  readonly databases: readonly SeenDatabase[] | null;
  /** Why it must not be relied on any more; null while it may. */
  readonly outdated: Outdated | null;
};

export type CoverageInput = {
  readonly management: { readonly database: string; readonly instance: string };
  /** null: not read yet. */
  readonly tables: GroupTables | null;
  readonly tablesOutdated: Outdated | null;
  readonly instances: readonly CoverageInstance[];
  readonly awaited: readonly AwaitedInstance[];
  /** Databases of other groups: no business of this one's. */
  readonly isOfAnotherGroup: (serverName: string, database: string) => boolean;
};

/** One database of the tables, under all spellings of its server. */
type Place = {
  readonly database: string;
  readonly server: string;
  readonly instance: CoverageInstance | undefined;
  /** Those of its servers' spellings that the backup job's view has. */
  readonly covered: readonly string[];
};

/**
 * What stands in the way of protecting every database of a group (biztalk-dr.md §1.3): what the backup job covers against what the group's
 * tables place and what the instances show. What could not be seen, or not lately, is UNKNOWN and never left out: no finding means fine.
 */
export function coverageOf(input: CoverageInput): CoverageFinding[] {
  const { management, tables, tablesOutdated } = input;
  if (tables === null) return [unknown(management, reasons.tablesNotRead())];
  const places = placesOf(tables.databases, input.instances);
  return [
    ...(tablesOutdated === null ? [] : [unknown(management, reasons.outdated('TABLES_OUTDATED', tablesOutdated))]),
    ...places.flatMap(place => findingsAt(place, input.awaited)),
    ...tables.unplaced.map(database => ({
      database,
      instance: '',
      problem: 'NOT_IN_JOB' as const,
      reason: reasons.withoutServer(),
    })),
    ...unnamedDatabases(input, tables, places),
  ];
}

/** As `server.database`: a group that has one of these is not registered (biztalk-dr.md §1.10; its restore would be refused with 3104). */
export function inAvailabilityGroup(findings: readonly CoverageFinding[]): string[] {
  return findings
    .filter(({ problem }) => problem === 'IN_AVAILABILITY_GROUP')
    .map(({ database, instance }) => `${instance}.${database}`);
}

function placesOf(databases: readonly NamedDatabase[], instances: readonly CoverageInstance[]): Place[] {
  const places = new Map<string, Place>();
  for (const { server, databaseName: database, inBackupJob } of databases) {
    const instance = instances.find(({ name }) => sameName(name, server));
    // Two spellings of one server are one place once it is known which server that is.
    const key = JSON.stringify([instance?.serverName ?? ['', server], database]).toUpperCase();
    const place = places.get(key) ?? { database, server, instance, covered: [] };
    places.set(key, inBackupJob ? { ...place, covered: [...place.covered, server] } : place);
  }
  return [...places.values()];
}

function findingsAt(place: Place, awaited: readonly AwaitedInstance[]): CoverageFinding[] {
  const { database, server, instance, covered } = place;
  const at = { database, instance: server };
  if (instance === undefined) {
    const problem = awaited.find(({ name }) => sameName(name, server))?.problem ?? null;
    const reason = awaitedReason({ name: server, databaseNames: [database], problem });
    return [{ ...at, problem: 'UNRESOLVED_SERVER', reason }];
  }
  const found: CoverageFinding[] = [];
  if (covered.length === 0) found.push({ ...at, problem: 'NOT_IN_JOB', reason: reasons.notInJob() });
  if (covered.length > 1) found.push({ ...at, problem: 'LISTED_TWICE', reason: reasons.listedTwice(covered) });
  const { databases, outdated } = instance;
  if (outdated !== null) found.push(unknown(at, reasons.outdated('INSTANCE_OUTDATED', outdated)));
  if (databases === null) return [...found, unknown(at, reasons.instanceNotRead())];
  const seen = databases.find(({ name }) => sameName(name, database));
  if (seen !== undefined) return [...found, ...findingsOf(at, seen, covered.length > 0)];
  if (covered.length > 0) found.push({ ...at, problem: 'IN_JOB_BUT_MISSING', reason: reasons.missing() });
  return found;
}

function findingsOf(
  at: Pick<CoverageFinding, 'database' | 'instance'>,
  seen: SeenDatabase,
  isCovered: boolean,
): CoverageFinding[] {
  const { state, recoveryModel, inAvailabilityGroup, isEncrypted, missingBackupObjects } = seen;
  const found: CoverageFinding[] = [];
  if (state !== 'ONLINE') found.push({ ...at, problem: 'NOT_ONLINE', reason: reasons.notOnline(state) });
  if (recoveryModel !== 'FULL')
    found.push({ ...at, problem: 'NOT_FULL_RECOVERY', reason: reasons.notFullRecovery(recoveryModel) });
  if (inAvailabilityGroup === true)
    found.push({ ...at, problem: 'IN_AVAILABILITY_GROUP', reason: reasons.inAvailabilityGroup() });
  if (isEncrypted === true) found.push({ ...at, problem: 'ENCRYPTED', reason: reasons.encrypted() });
  if (inAvailabilityGroup === null || isEncrypted === null) found.push(unknown(at, reasons.protectionUnread()));
  // A database that is not online cannot be asked; that it is not online says so already.
  if (!isCovered || state !== 'ONLINE') return found;
  if (missingBackupObjects === null) found.push(unknown(at, reasons.backupObjectsUnread()));
  else if (missingBackupObjects.length > 0)
    found.push({ ...at, problem: 'PROCEDURES_MISSING', reason: reasons.proceduresMissing(missingBackupObjects) });
  return found;
}

function unknown(at: Pick<CoverageFinding, 'database' | 'instance'>, reason: Reason): CoverageFinding {
  return { database: at.database, instance: at.instance, problem: 'UNKNOWN', reason };
}

/** Parts of a group that the job has to cover; the star schema and the archive are not among them (biztalk-dr.md §1.2). */
const partsInJob = [
  'SSO',
  'TRACKING',
  'RULE_ENGINE',
  'BAM_PRIMARY_IMPORT',
  'BAM_ALERTS_APPLICATION',
  'BAM_ALERTS_INSTANCE',
] as const satisfies readonly DatabaseRole[];

/**
 * Parts that no table names. Only the SSO database is certain to exist; of the others one that bears the part's default name is shown, for
 * people to judge: a name alone proves nothing (biztalk-dr.md §1.2).
 */
function unnamedDatabases(
  { instances, management, isOfAnotherGroup }: CoverageInput,
  { databases, unplaced, ssoServer }: GroupTables,
  places: readonly Place[],
): CoverageFinding[] {
  const found: CoverageFinding[] = [];
  for (const role of partsInJob) {
    const usual = defaultDatabaseNames[role];
    if (databases.some(each => each.role === role) || unplaced.some(name => sameName(name, usual))) continue;
    const where = instances.find(
      ({ serverName, databases: seen }) =>
        seen?.some(({ name }) => sameName(name, usual)) === true &&
        !places.some(each => each.instance?.serverName === serverName && sameName(each.database, usual)) &&
        !isOfAnotherGroup(serverName, usual),
    );
    if (role === 'SSO') {
      const instance = where?.name ?? ssoServer ?? management.instance;
      found.push({ database: usual, instance, problem: 'NOT_IN_JOB', reason: reasons.ssoRowMissing(ssoServer) });
    } else if (where !== undefined)
      found.push({ database: usual, instance: where.name, problem: 'NOT_IN_JOB', reason: reasons.unnamed(role) });
  }
  return found;
}
