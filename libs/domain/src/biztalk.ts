/** The parts of a BizTalk group by their documented names. Every database can be renamed: only the rows are facts. */
export type DatabaseRole =
  | 'MANAGEMENT'
  | 'MESSAGE_BOX_MASTER'
  | 'MESSAGE_BOX'
  | 'TRACKING'
  | 'SSO'
  | 'RULE_ENGINE'
  | 'BAM_PRIMARY_IMPORT'
  | 'BAM_ALERTS_APPLICATION'
  | 'BAM_ALERTS_INSTANCE'
  | 'BAM_STAR_SCHEMA'
  | 'BAM_ARCHIVE'
  | 'BAM_ANALYSIS'
  | 'CUSTOM'
  | 'OTHER';

/** biztalk-dr.md §1.2. For texts and suggestions, never for finding a database. */
export const defaultDatabaseNames = {
  MANAGEMENT: 'BizTalkMgmtDb',
  MESSAGE_BOX_MASTER: 'BizTalkMsgBoxDb',
  TRACKING: 'BizTalkDTADb',
  SSO: 'SSODB',
  RULE_ENGINE: 'BizTalkRuleEngineDb',
  BAM_PRIMARY_IMPORT: 'BAMPrimaryImport',
  BAM_ALERTS_APPLICATION: 'BAMAlertsApplication',
  BAM_ALERTS_INSTANCE: 'BAMAlertsNSMain',
  BAM_STAR_SCHEMA: 'BAMStarSchema',
  BAM_ARCHIVE: 'BAMArchive',
  BAM_ANALYSIS: 'BAMAnalysis',
} as const satisfies Partial<Record<DatabaseRole, string>>;

/** What the Management database must have to be one; read by inventory and backup (biztalk-dr.md §1.1, §2.7). */
export const managementTables = {
  group: 'adm_Group',
  messageBoxes: 'adm_MessageBox',
  otherDatabases: 'adm_OtherBackupDatabases',
  coveredDatabases: 'admv_BackupDatabases',
  backupHistory: 'adm_BackupHistory',
  backupSettings: 'adm_BackupSettings',
} as const;

/** The steps of the backup job in order (biztalk-dr.md §2.1); older versions lack the first. */
export const backupJobSteps = [
  'Set Compression Option',
  'BackupFull',
  'MarkAndBackupLog',
  'Clear Backup History',
] as const;

/** The job's name carries the name of the Management database (biztalk-dr.md §1.8). */
export function backupJobName(managementDatabase: string): string {
  return `Backup BizTalk Server (${managementDatabase})`;
}

/** A step whose command still contains this was never configured (biztalk-dr.md §2.1). */
export const unconfiguredBackupPath = '<destination path>';

/**
 * The rows of the group's own tables. Servers are as configured: an alias, `server,port` or a listener, not
 * necessarily the name the server has for itself (biztalk-dr.md §1.3).
 */
export type GroupRows = {
  /** The database read from, and the server as it calls itself: the view does the same (biztalk-dr.md §1.3). */
  readonly management: { readonly server: string; readonly databaseName: string };
  /** adm_Group; `subscription` is the master MessageBox. */
  readonly group: Readonly<
    Record<`${'tracking' | 'subscription' | 'bam' | 'ruleEngine'}${'Server' | 'Database'}`, string | null>
  >;
  /** adm_MessageBox */
  readonly messageBoxes: readonly {
    readonly server: string;
    readonly databaseName: string;
    readonly isMaster: boolean;
  }[];
  /** adm_OtherBackupDatabases; `defaultName` is DefaultDatabaseName. */
  readonly otherDatabases: readonly {
    readonly defaultName: string;
    readonly databaseName: string;
    readonly server: string | null;
  }[];
};

export type GroupDatabase = { readonly role: DatabaseRole; readonly server: string; readonly databaseName: string };

// `SSO` is documented as the value of DefaultDatabaseName (biztalk-dr.md §1.1). The two others are the names of the same
// databases in UpdateInfo.xml (biztalk-dr.md §4.5); that the table spells them so is unverified.
const otherRoles = new Map<string, DatabaseRole>([
  ['SSO', 'SSO'],
  ['BAM ALERTS APPLICATION DB', 'BAM_ALERTS_APPLICATION'],
  ['BAM ALERTS INSTANCE DB', 'BAM_ALERTS_INSTANCE'],
]);

/**
 * Every SQL Server database the group's own tables name, the Management database first, each once per spelling of its
 * server: two spellings are two rows for the backup job as well (biztalk-dr.md §1.3). Places without a server are not
 * configured and are left out. Whether the backup job covers a database is the view's answer, not this one's.
 */
export function databasesOfGroup(rows: GroupRows): readonly GroupDatabase[] {
  const { management, group, messageBoxes, otherDatabases } = rows;
  const named = [
    ...placed('MANAGEMENT', management.server, management.databaseName),
    ...messageBoxes.flatMap(box =>
      placed(box.isMaster ? 'MESSAGE_BOX_MASTER' : 'MESSAGE_BOX', box.server, box.databaseName),
    ),
    ...placed('MESSAGE_BOX_MASTER', group.subscriptionServer, group.subscriptionDatabase),
    ...placed('TRACKING', group.trackingServer, group.trackingDatabase),
    ...placed('BAM_PRIMARY_IMPORT', group.bamServer, group.bamDatabase),
    ...placed('RULE_ENGINE', group.ruleEngineServer, group.ruleEngineDatabase),
    ...otherDatabases.flatMap(other => placed(roleOfOther(other.defaultName), other.server, other.databaseName)),
  ];
  const seen = new Set<string>();
  return named.filter(({ server, databaseName }) => {
    const place = `${server.toUpperCase()}\n${databaseName.toUpperCase()}`;
    return !seen.has(place) && seen.add(place);
  });
}

function roleOfOther(defaultName: string): DatabaseRole {
  return otherRoles.get(defaultName.toUpperCase()) ?? 'CUSTOM';
}

function placed(role: DatabaseRole, server: string | null, databaseName: string | null): readonly GroupDatabase[] {
  const place = { server: server?.trim() ?? '', databaseName: databaseName?.trim() ?? '' };
  return place.server === '' || place.databaseName === '' ? [] : [{ role, ...place }];
}
