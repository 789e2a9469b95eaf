/** Who is connected, what runs, who holds which lock (sqlserver.md §4.2, §10.3, §10.6). */
import type { Engine, Session, VirtualTable } from '../contract.ts';
import { moment, view, type Values } from './view.ts';

/** What is no part of a distributed transaction (unverified). */
const noGuid = '00000000-0000-0000-0000-000000000000';

export function activityViews(engine: Engine): readonly VirtualTable[] {
  return [
    view(
      'sys.dm_exec_sessions',
      `session_id smallint not null, login_time datetime not null, host_name nvarchar(128), program_name nvarchar(128),
       login_name nvarchar(128) not null, status nvarchar(30) not null, is_user_process bit not null, database_id smallint not null,
       open_transaction_count int not null, lock_timeout int not null, original_login_name nvarchar(128) not null`,
      () => engine.sessions().map(sessionRow),
    ),
    view(
      'sys.dm_exec_requests',
      `session_id smallint not null, request_id int not null, start_time datetime not null, status nvarchar(30) not null,
       command nvarchar(32) not null, database_id smallint not null, blocking_session_id smallint, wait_type nvarchar(60),
       wait_time int not null, percent_complete real not null, estimated_completion_time bigint not null, total_elapsed_time int not null,
       open_transaction_count int not null`,
      () => engine.sessions().flatMap(session => requestRow(session, engine.clock())),
    ),
    view(
      'sys.dm_exec_connections',
      `session_id int, connect_time datetime not null, net_transport nvarchar(40) not null, protocol_type nvarchar(40),
       encrypt_option nvarchar(40) not null, auth_scheme nvarchar(40) not null, client_net_address varchar(48)`,
      () =>
        engine.sessions().map(session => ({
          session_id: BigInt(session.spid),
          connect_time: moment(session.loginTime),
          net_transport: 'TCP',
          protocol_type: 'TSQL',
          // A connection whose login alone was encrypted counts as clear (unverified).
          encrypt_option: session.encrypted ? 'TRUE' : 'FALSE',
          auth_scheme: 'SQL',
          client_net_address: '127.0.0.1',
        })),
    ),
    view(
      'sys.dm_tran_locks',
      `resource_type nvarchar(60) not null, resource_subtype nvarchar(60) not null, resource_database_id int not null,
       resource_description nvarchar(256) not null, resource_associated_entity_id bigint, request_mode nvarchar(60) not null,
       request_type nvarchar(60) not null, request_status nvarchar(60) not null, request_session_id int not null,
       request_owner_type nvarchar(60) not null, request_owner_guid uniqueidentifier`,
      () =>
        engine.locks().map(lock => ({
          resource_type: lock.resourceType,
          resource_subtype: '',
          resource_database_id: BigInt(lock.databaseId),
          resource_description:
            lock.resourceType === 'DATABASE' || lock.resourceType === 'OBJECT' ? '' : lock.description,
          resource_associated_entity_id: lock.resourceType === 'OBJECT' ? BigInt(lock.description) : 0n,
          request_mode: lock.mode,
          request_type: 'LOCK',
          request_status: lock.status,
          request_session_id: BigInt(lock.spid),
          request_owner_type:
            lock.resourceType === 'DATABASE' && lock.unit === undefined
              ? 'SHARED_TRANSACTION_WORKSPACE'
              : 'TRANSACTION',
          request_owner_guid: lock.unit ?? noGuid,
        })),
    ),
  ];
}

function sessionRow(session: Session): Values {
  return {
    session_id: BigInt(session.spid),
    login_time: moment(session.loginTime),
    host_name: session.hostName,
    program_name: session.programName,
    login_name: session.login.name,
    status: session.request === undefined ? 'sleeping' : 'running',
    is_user_process: true,
    database_id: BigInt(session.database.id),
    open_transaction_count: BigInt(session.nesting),
    lock_timeout: BigInt(session.options.lockTimeoutMs),
    original_login_name: session.login.name,
  };
}

function requestRow(session: Session, now: Date): readonly Values[] {
  const { request } = session;
  if (request === undefined) return [];
  const elapsedMs = now.getTime() - request.startedAt.getTime();
  const percent = request.percentComplete;
  return [
    {
      session_id: BigInt(session.spid),
      request_id: 0n,
      start_time: moment(request.startedAt),
      status: request.waitType === undefined ? 'running' : 'suspended',
      command: request.command,
      database_id: BigInt(session.database.id),
      blocking_session_id: BigInt(request.blockedBy),
      wait_type: request.waitType ?? null,
      wait_time: 0n,
      percent_complete: percent,
      // What is left at the pace so far.
      estimated_completion_time: percent > 0 ? BigInt(Math.round((elapsedMs * (100 - percent)) / percent)) : 0n,
      total_elapsed_time: BigInt(Math.max(0, elapsedMs)),
      open_transaction_count: BigInt(session.nesting),
    },
  ];
}
