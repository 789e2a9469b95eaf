/** The sample estate on paper: which instances there are, which databases, and where their files lie in the servers' own words. */

export const groupName = 'Sample group';

/** `name`: @@SERVERNAME. `folder`: below `estate/`, and the name of its process. */
export type SampleInstance = { readonly name: string; readonly folder: string };

/** What a database is to the group (biztalk-dr.md §1.2). */
export type SampleRole =
  | 'management'
  | 'masterMessageBox'
  | 'messageBox'
  | 'tracking'
  | 'sso'
  | 'ruleEngine'
  | 'bamPrimaryImport'
  | 'bamAlerts'
  | 'custom';

export type SampleDatabase = {
  readonly name: string;
  readonly role: SampleRole;
  /** As `adm_OtherBackupDatabases` has it; its name when left out. */
  readonly defaultName?: string;
};

/** A source instance, what lies there, and the standby instance that gets it: each production instance its own (biztalk-dr.md §3.1). */
export type SamplePair = {
  readonly primary: SampleInstance;
  readonly standby: SampleInstance;
  readonly databases: readonly SampleDatabase[];
};

/** The first one holds the Management database. */
export type SampleGroup = readonly [SamplePair, ...SamplePair[]];

export const management = 'BizTalkMgmtDb';

const first = {
  primary: { name: 'BTSDB1\\BTS', folder: 'primary1' },
  standby: { name: 'DRDB1\\BTS', folder: 'standby1' },
} as const;
const second = {
  primary: { name: 'BTSDB2\\BTS', folder: 'primary2' },
  standby: { name: 'DRDB2\\BTS', folder: 'standby2' },
} as const;

/** Thirteen databases on two instances. */
export const wholeGroup: SampleGroup = [
  {
    ...first,
    databases: [
      { name: management, role: 'management' },
      { name: 'BizTalkMsgBoxDb', role: 'masterMessageBox' },
      { name: 'BizTalkRuleEngineDb', role: 'ruleEngine' },
      { name: 'SSODB', role: 'sso' },
      { name: 'BAMPrimaryImport', role: 'bamPrimaryImport' },
      { name: 'BAMAlertsApplication', role: 'bamAlerts', defaultName: 'BAM Alerts Application DB' },
      { name: 'BAMAlertsNSMain', role: 'bamAlerts', defaultName: 'BAM Alerts Instance DB' },
    ],
  },
  {
    ...second,
    databases: [
      { name: 'BizTalkMsgBoxDb2', role: 'messageBox' },
      { name: 'BizTalkDTADb', role: 'tracking' },
      { name: 'EsbExceptionDb', role: 'custom' },
      { name: 'EsbItineraryDb', role: 'custom' },
      { name: 'Orders', role: 'custom' },
      { name: 'Billing', role: 'custom' },
    ],
  },
];

/** Two databases on one instance, for tests of what does not need more. */
export const smallGroup: SampleGroup = [
  {
    ...first,
    databases: [
      { name: management, role: 'management' },
      { name: 'BizTalkMsgBoxDb', role: 'masterMessageBox' },
    ],
  },
];

/** Two databases on each of two instances, for tests that do by hand what Holdfast does. */
export const crossGroup: SampleGroup = [
  smallGroup[0],
  {
    ...second,
    databases: [
      { name: 'Orders', role: 'custom' },
      { name: 'Billing', role: 'custom' },
    ],
  },
];

export function databasesOf(group: SampleGroup): readonly string[] {
  return group.flatMap(({ databases }) => databases.map(({ name }) => name));
}

/** Where the backup job writes: one share, so one folder, whichever source instance writes there. */
export const backupPath = '\\\\backup\\bts';
/** Where a standby instance finds our copies, as it sees them: a disk of its own. */
export const copiesPath = 'E:\\Copies';
/** Where database files lie; the same at both sites, because BizTalk supports no MOVE (biztalk-dr.md §1.10). */
export const dataPath = 'D:\\Data';
export const logPath = 'L:\\Logs';

/** As BizTalk's configuration names it (biztalk-dr.md §2.1). */
export const backupJobName = `Backup BizTalk Server (${management})`;
