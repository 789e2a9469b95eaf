import { databasesOfGroup, type GroupRows } from '@holdfast/domain/biztalk';
import type { DatabaseRole } from '@holdfast/domain/biztalk';

/** What one instance says of a database. */
export type SeenDatabase = {
  readonly name: string;
  readonly state: string;
  readonly recoveryModel: string;
  /** null: it could not be read. */
  readonly inAvailabilityGroup: boolean | null;
  readonly isEncrypted: boolean | null;
  /** What the job calls and is not there (biztalk-dr.md §2.7); null: not asked, because no job covers it or it is not online, or unread. */
  readonly missingBackupObjects: readonly string[] | null;
};

/** A job of SQL Server Agent. Times are RFC 3339 UTC, placed by the server's offset at the look. */
export type SeenJob = {
  readonly name: string;
  readonly enabled: boolean;
  readonly lastRun: string | null;
  readonly lastOutcome: string | null;
  readonly nextRun: string | null;
};
/** A step with what comes after it; codes as dbo.sysjobsteps has them. */
export type JobStep = {
  readonly stepId: number;
  readonly name: string;
  readonly subsystem: string;
  readonly databaseName: string | null;
  readonly command: string | null;
  readonly onSuccessAction: number;
  readonly onSuccessStepId: number;
  readonly onFailAction: number;
  readonly onFailStepId: number;
  readonly retryAttempts: number;
  readonly retryIntervalMinutes: number;
};
/** Codes and times as dbo.sysschedules has them. */
export type JobSchedule = {
  readonly name: string;
  readonly enabled: boolean;
  readonly frequencyType: number;
  readonly frequencyInterval: number;
  readonly subdayType: number;
  readonly subdayInterval: number;
  readonly relativeInterval: number;
  readonly recurrenceFactor: number;
  readonly activeStartDate: number;
  readonly activeEndDate: number;
  readonly activeStartTime: number;
  readonly activeEndTime: number;
};
/** A job as it would have to be made again: no BizTalk backup has it (biztalk-dr.md §1.8). */
export type JobDefinition = {
  readonly name: string;
  readonly enabled: boolean;
  readonly steps: readonly JobStep[];
  readonly schedules: readonly JobSchedule[];
};
export type SeenLogin = {
  readonly name: string;
  readonly sid: string;
  readonly kind: string;
  readonly disabled: boolean;
};
export type SeenLinkedServer = { readonly name: string; readonly dataSource: string | null; readonly rpcOut: boolean };

/** A part of a look that the server refused, with its reason; the rest of the look holds. */
export type Unread = { readonly part: UnreadPart; readonly message: string; readonly fix: string };
export type UnreadPart =
  'JOBS' | 'JOB_DEFINITIONS' | 'LOGINS' | 'LINKED_SERVERS' | 'PROTECTION' | 'BACKUP_OBJECTS' | 'HOSTS';

/** What an instance says besides who it is; a part is null when it could not be read. */
export type InstanceDetails = {
  readonly edition: string | null;
  readonly databases: readonly SeenDatabase[];
  readonly jobs: readonly SeenJob[] | null;
  readonly jobDefinitions: readonly JobDefinition[] | null;
  readonly logins: readonly SeenLogin[] | null;
  readonly linkedServers: readonly SeenLinkedServer[] | null;
  readonly unread: readonly Unread[];
};
export type SeenInstance = InstanceDetails & { readonly serverName: string; readonly productVersion: string };

/** The BizTalk computers and hosts of a group (biztalk-dr.md §1.4, §1.5). */
export type Platform = {
  readonly computers: readonly string[];
  readonly hosts: readonly { readonly name: string; readonly kind: 'IN_PROCESS' | 'ISOLATED' }[];
  readonly hostInstances: readonly {
    readonly host: string;
    readonly computer: string;
    readonly enabled: boolean;
    /** Of its configuration: whether its service runs is not in the tables. */
    readonly state: string;
  }[];
};

/** What a group's tables say. `platform`: null when it could not be read. */
export type GroupTables = {
  readonly databases: readonly NamedDatabase[];
  /** Databases of adm_OtherBackupDatabases without a server: the view leaves them out (biztalk-dr.md §1.3). */
  readonly unplaced: readonly string[];
  readonly ssoServer: string | null;
  readonly platform: Platform | null;
  readonly unread: readonly Unread[];
};

/**
 * A database that the group's tables name. `server` as configured: an alias as often as not. `otherName`: DefaultDatabaseName, where it
 * stands in adm_OtherBackupDatabases.
 */
export type NamedDatabase = {
  readonly server: string;
  readonly databaseName: string;
  readonly otherName: string | null;
  readonly role: DatabaseRole;
  readonly inBackupJob: boolean;
};

/** Server and database names compare without regard to letter case. */
export const sameName = (a: string, b: string): boolean => a.toUpperCase() === b.toUpperCase();

/**
 * Every database of the group: those that its tables place, and what the backup job covers besides (a database may be in the view under
 * a spelling of its server that no table has: biztalk-dr.md §1.3).
 */
export function namedDatabases(
  rows: GroupRows,
  covered: readonly { readonly server: string; readonly databaseName: string }[],
): NamedDatabase[] {
  const otherName = (server: string, databaseName: string) =>
    rows.otherDatabases.find(
      each => sameName(each.server?.trim() ?? '', server) && sameName(each.databaseName.trim(), databaseName),
    )?.defaultName ?? null;
  const isCovered = (server: string, databaseName: string) =>
    covered.some(each => sameName(each.server, server) && sameName(each.databaseName, databaseName));
  const placed = databasesOfGroup(rows).map(each => ({
    ...each,
    otherName: otherName(each.server, each.databaseName),
    inBackupJob: isCovered(each.server, each.databaseName),
  }));
  const extra = covered
    .filter(
      ({ server, databaseName }) =>
        !placed.some(each => sameName(each.server, server) && sameName(each.databaseName, databaseName)),
    )
    .map(({ server, databaseName }): NamedDatabase => {
      return { server, databaseName, otherName: null, role: 'OTHER', inBackupJob: true };
    });
  return [...placed, ...extra];
}

/** The distinct server names, in the order of their first appearance. */
export function namedServers(databases: readonly NamedDatabase[]): string[] {
  return databases
    .map(({ server }) => server)
    .filter((server, at, all) => all.findIndex(other => sameName(other, server)) === at);
}

/** Why a part is missing, as the API words it. */
export function unreadReason({ part, message, fix }: Unread) {
  return { code: `${part}_UNREAD`, message, fix, evidence: null, since: null };
}
