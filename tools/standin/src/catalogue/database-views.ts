/** sys.databases, sys.master_files, sys.database_recovery_status (sqlserver.md §4.2). */
import type { Database, Engine, VirtualTable } from '../contract.ts';
import { lsn, moment, view, type Values } from './view.ts';

const states = ['ONLINE', 'RESTORING', 'RECOVERING', 'RECOVERY_PENDING', 'SUSPECT', 'EMERGENCY', 'OFFLINE'] as const;
const accesses = ['MULTI_USER', 'SINGLE_USER', 'RESTRICTED_USER'] as const;
const models = ['FULL', 'BULK_LOGGED', 'SIMPLE'] as const;

export function databaseViews(engine: Engine): readonly VirtualTable[] {
  return [
    view(
      'sys.databases',
      `name sysname, database_id int not null, source_database_id int, owner_sid varbinary(85), create_date datetime not null,
       compatibility_level tinyint not null, collation_name nvarchar(128), user_access tinyint, user_access_desc nvarchar(60),
       is_read_only bit, is_auto_close_on bit not null, state tinyint, state_desc nvarchar(60), is_in_standby bit,
       recovery_model tinyint, recovery_model_desc nvarchar(60), page_verify_option tinyint, page_verify_option_desc nvarchar(60),
       is_broker_enabled bit not null, is_trustworthy_on bit, log_reuse_wait tinyint, log_reuse_wait_desc nvarchar(60),
       is_encrypted bit, replica_id uniqueidentifier`,
      () => engine.databases().map(database => databaseRow(engine, database)),
    ),
    view(
      'sys.master_files',
      `database_id int not null, file_id int not null, file_guid uniqueidentifier, type tinyint not null, type_desc nvarchar(60),
       data_space_id int not null, name sysname, physical_name nvarchar(260) not null, state tinyint, state_desc nvarchar(60),
       size int not null, max_size int not null, growth int not null, is_read_only bit not null, create_lsn numeric(25,0),
       drop_lsn numeric(25,0), read_only_lsn numeric(25,0), read_write_lsn numeric(25,0), differential_base_lsn numeric(25,0),
       differential_base_guid uniqueidentifier, differential_base_time datetime, redo_start_lsn numeric(25,0),
       redo_start_fork_guid uniqueidentifier, redo_target_lsn numeric(25,0), redo_target_fork_guid uniqueidentifier,
       backup_lsn numeric(25,0)`,
      () => engine.databases().flatMap(fileRows),
    ),
    view(
      'sys.database_recovery_status',
      `database_id int not null, database_guid uniqueidentifier, family_guid uniqueidentifier, last_log_backup_lsn numeric(25,0),
       recovery_fork_guid uniqueidentifier, first_recovery_fork_guid uniqueidentifier, fork_point_lsn numeric(25,0)`,
      () => engine.databases().map(recoveryRow),
    ),
  ];
}

function databaseRow(engine: Engine, database: Database): Values {
  const reuse = logReuseWait(database);
  return {
    name: database.name,
    database_id: BigInt(database.id),
    owner_sid: Uint8Array.of(1),
    create_date: moment(database.createdAt),
    compatibility_level: BigInt(engine.majorVersion * 10),
    // NULL unless the database is started.
    collation_name: database.state === 'ONLINE' ? 'SQL_Latin1_General_CP1_CI_AS' : null,
    user_access: BigInt(accesses.indexOf(database.userAccess)),
    user_access_desc: database.userAccess,
    is_read_only: database.readOnly || database.inStandby,
    is_auto_close_on: false,
    state: BigInt(states.indexOf(database.state)),
    state_desc: database.state,
    is_in_standby: database.inStandby,
    recovery_model: BigInt(models.indexOf(database.recoveryModel) + 1),
    recovery_model_desc: database.recoveryModel,
    page_verify_option: 2n,
    page_verify_option_desc: 'CHECKSUM',
    is_broker_enabled: false,
    is_trustworthy_on: false,
    log_reuse_wait: reuse === 'NOTHING' ? 0n : 2n,
    log_reuse_wait_desc: reuse,
    is_encrypted: false,
    replica_id: engine.replicaId(database) ?? null,
  };
}

function logReuseWait(database: Database): 'NOTHING' | 'LOG_BACKUP' {
  const { lastLogBackupLsn, nextLsn, recoveryModel, state } = database;
  const waits = state === 'ONLINE' && recoveryModel !== 'SIMPLE' && lastLogBackupLsn !== undefined;
  return waits && lastLogBackupLsn < nextLsn ? 'LOG_BACKUP' : 'NOTHING';
}

function fileRows(database: Database): readonly Values[] {
  const restoring = database.state === 'RESTORING' || database.state === 'RECOVERY_PENDING';
  const state = restoring ? database.state : 'ONLINE';
  return database.files.map(file => {
    const isData = file.type === 'D';
    const position = restoring && isData ? database.redoStart : undefined;
    return {
      database_id: BigInt(database.id),
      file_id: BigInt(file.fileId),
      type: isData ? 0n : 1n,
      type_desc: isData ? 'ROWS' : 'LOG',
      data_space_id: isData ? 1n : 0n,
      name: file.logicalName,
      physical_name: file.physicalName,
      state: BigInt(states.indexOf(state)),
      state_desc: state,
      size: file.sizeBytes / 8192n,
      max_size: isData ? -1n : 268_435_456n,
      growth: 8192n,
      is_read_only: false,
      differential_base_lsn: isData ? lsn(database.differentialBase?.lsn) : null,
      differential_base_guid: isData ? (database.differentialBase?.guid ?? null) : null,
      redo_start_lsn: lsn(position?.lsn),
      redo_start_fork_guid: position?.forkGuid ?? null,
      redo_target_lsn: lsn(position?.lsn),
      redo_target_fork_guid: position?.forkGuid ?? null,
    };
  });
}

/** All but the id NULL while the database is not started. */
function recoveryRow(database: Database): Values {
  const id = { database_id: BigInt(database.id) };
  if (database.state !== 'ONLINE') return id;
  return {
    ...id,
    database_guid: database.databaseGuid,
    family_guid: database.familyGuid,
    last_log_backup_lsn: lsn(database.lastLogBackupLsn),
    recovery_fork_guid: database.recoveryForkGuid,
    first_recovery_fork_guid: database.firstRecoveryForkGuid,
    fork_point_lsn: lsn(database.forkPointLsn),
  };
}
