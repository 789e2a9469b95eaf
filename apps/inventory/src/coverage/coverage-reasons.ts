/** Why a finding is one, as the API words it. `since` is known only where facts have ended. */
export type Reason = {
  readonly code: string;
  readonly message: string;
  readonly fix: string;
  readonly evidence: string | null;
  readonly since: string | null;
};

/** The last look that succeeded, and why the later ones did not. */
export type Outdated = { readonly observedAt: string | null; readonly error: string | null };

function reason(code: string, message: string, fix: string, evidence: string | null = null): Reason {
  return { code, message, fix, evidence, since: null };
}

const again = 'It is read again with every look; see `unread` of the instance for the reason.';
const forceFull = 'force a full backup (sp_ForceFullBackup)';

export const notInJob = () =>
  reason(
    'NOT_IN_JOB',
    "The group's tables place this database here, and the backup job does not cover it.",
    `Make its rows agree, or insert one in adm_OtherBackupDatabases; then ${forceFull}: without a full its next log backup fails.`,
    'admv_BackupDatabases has no row of it.',
  );

export const withoutServer = () =>
  reason(
    'ROW_WITHOUT_SERVER',
    'Its row in adm_OtherBackupDatabases has no server: the backup job leaves it out in silence.',
    `Fill in ServerName; then ${forceFull}: without a full its next log backup fails.`,
  );

export const ssoRowMissing = (ssoServer: string | null) =>
  reason(
    'SSO_ROW_MISSING',
    'No row of adm_OtherBackupDatabases has the default name SSO: the job does not back up the SSO database of this group.',
    `Insert that row, unless the job of another group covers the SSO database; then ${forceFull}.`,
    ssoServer === null ? null : `adm_Group.SSOServerName is ${ssoServer}.`,
  );

export const unnamed = (role: string) =>
  reason(
    'UNNAMED_DATABASE_SEEN',
    `It bears the default name of a group's part (${role}), and no table of the group names it: the backup job does not cover it.`,
    'If it belongs to this group, correct adm_Group or insert its row in adm_OtherBackupDatabases.',
    'sys.databases shows it there.',
  );

export const listedTwice = (servers: readonly string[]) =>
  reason(
    'LISTED_TWICE',
    'The backup job has it in two rows, under two names of one server: it is backed up twice in every set.',
    "Use one spelling of the server in the group's tables.",
    `admv_BackupDatabases: ${servers.join(', ')}.`,
  );

export const missing = () =>
  reason(
    'IN_JOB_BUT_MISSING',
    'The backup job covers it, and the instance does not show it.',
    'Correct the row that places it there, restore the database, or let our login see it (VIEW ANY DATABASE).',
    'sys.databases has no row of it.',
  );

export const notOnline = (state: string) =>
  reason(
    'NOT_ONLINE',
    `It is ${state}: the backup job cannot mark it or back it up.`,
    'Bring it ONLINE, or find out who took it away.',
    `sys.databases: ${state}.`,
  );

export const notFullRecovery = (recoveryModel: string) =>
  reason(
    'NOT_FULL_RECOVERY',
    `Its recovery model is ${recoveryModel}; only FULL keeps its log whole and its marks usable.`,
    `Set it to FULL; then ${forceFull}.`,
    `sys.databases: ${recoveryModel}.`,
  );

export const inAvailabilityGroup = () =>
  reason(
    'IN_AVAILABILITY_GROUP',
    'It is in an availability group, which Holdfast does not support.',
    'Take the databases of the group out of it; a group in one cannot be registered.',
    'sys.databases has a replica_id for it.',
  );

export const encrypted = () =>
  reason(
    'ENCRYPTED',
    'It is encrypted: its backups restore only where its certificate is.',
    'Restore the certificate with its private key on every standby instance first.',
    'sys.databases: is_encrypted.',
  );

export const proceduresMissing = (names: readonly string[]) =>
  reason(
    'PROCEDURES_MISSING',
    'The backup job calls what is not there, and fails as a whole, for all databases.',
    `Run Backup_Setup_All_Procs.sql and Backup_Setup_All_Tables.sql in it; then ${forceFull}.`,
    `Missing: ${names.join(', ')}.`,
  );

export const protectionUnread = () =>
  reason('PROTECTION_UNREAD', 'Whether it is encrypted or in an availability group is not known.', again);

export const backupObjectsUnread = () =>
  reason('BACKUP_OBJECTS_UNREAD', 'Whether it has what the backup job calls is not known.', again);

export const tablesNotRead = () =>
  reason(
    'TABLES_NOT_READ',
    "What the group's tables say of its databases was not read yet.",
    'Wait for the next look.',
  );

export const instanceNotRead = () =>
  reason('INSTANCE_NOT_READ', 'What its instance says of it was not read yet.', 'Wait for the next look.');

export const outdated = (code: 'TABLES_OUTDATED' | 'INSTANCE_OUTDATED', { observedAt, error }: Outdated): Reason => ({
  code,
  message:
    code === 'TABLES_OUTDATED'
      ? "The group's tables were not read for too long: what they say by now is unknown."
      : 'Its instance was not seen for too long: what is true of it by now is unknown.',
  fix: 'See the observation; it is asked again.',
  evidence: error,
  since: observedAt,
});
