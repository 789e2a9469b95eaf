import { placeTime, type SqlServer, SqlServerError, statements } from '@holdfast/sqlserver';
import { observeJobs } from '@holdfast/sqlserver/jobs';
import type { Management } from '@holdfast/sqlserver/management';
import { observeDatabases, observeServer } from '@holdfast/sqlserver/observe';
import {
  type GroupTables,
  type JobDefinition,
  namedDatabases,
  type Platform,
  sameName,
  type SeenDatabase,
  type SeenInstance,
  type SeenJob,
  type Unread,
  type UnreadPart,
} from './estate.ts';

/** What one look asks of an instance that answers: read only, one statement after the other. */

/** Every covered database has these: without them the whole job fails, for all databases (biztalk-dr.md §2.7, §2.10). */
const backupObjects = [
  'MarkLog',
  'sp_BackupBizTalkFull',
  'sp_BackupBizTalkLog',
  'sp_SetMark',
  'sp_SetMarkRemote',
  'sp_GetServerName',
] as const;

/** `covered`: names of databases of which it is asked whether the job can work there, where they are online. */
export async function seeInstance(server: SqlServer, covered: readonly string[]): Promise<SeenInstance> {
  const { serverName, productVersion, edition, utcOffsetMinutes } = await observeServer(server);
  const { databases } = await observeDatabases(server);
  const { unread, read } = partReader(server);
  const protection = await read('PROTECTION', () => server.query(statements.databaseProtection, {}));
  const seen: SeenDatabase[] = [];
  for (const { name, state, recoveryModel } of databases) {
    const row = protection?.find(each => each.name === name);
    const isAsked = state === 'ONLINE' && covered.some(each => sameName(each, name));
    seen.push({
      name,
      state,
      recoveryModel,
      inAvailabilityGroup: row === undefined ? null : row.replicaId !== null,
      isEncrypted: row?.isEncrypted ?? null,
      missingBackupObjects: isAsked ? await read('BACKUP_OBJECTS', () => missingObjects(server, name)) : null,
    });
  }
  const jobs = await read('JOBS', () => seeJobs(server, utcOffsetMinutes));
  return {
    serverName,
    productVersion,
    edition,
    databases: seen,
    jobs,
    jobDefinitions: jobs === null ? null : await read('JOB_DEFINITIONS', () => defineJobs(server, jobs)),
    logins: await read('LOGINS', () => server.query(statements.logins, {})),
    linkedServers: await read('LINKED_SERVERS', () => server.query(statements.linkedServers, {})),
    unread,
  };
}

/** What the tables of a Management database say; `said` was read from them, the rest is asked here. */
export async function seeTables(
  server: SqlServer,
  management: { readonly server: string; readonly databaseName: string },
  { group, messageBoxes, otherDatabases, coveredDatabases }: Management,
): Promise<GroupTables> {
  const { unread, read } = partReader(server);
  const isPlaced = (name: string | null) => name !== null && name.trim() !== '';
  return {
    databases: namedDatabases({ management, group, messageBoxes, otherDatabases }, coveredDatabases),
    unplaced: otherDatabases.filter(each => !isPlaced(each.server)).map(({ databaseName }) => databaseName),
    ssoServer: isPlaced(group.ssoServer) ? group.ssoServer : null,
    platform: await read('HOSTS', () => seePlatform(server, management.databaseName)),
    unread,
  };
}

/**
 * A part that the server refuses, or does not answer in time, is null and stands in `unread`: a history that grew for years must not hide
 * everything else. Where the instance itself does not answer any more the look is lost.
 */
function partReader(server: SqlServer) {
  const unread: Unread[] = [];
  const read = async <Answer>(part: UnreadPart, ask: () => Promise<Answer>): Promise<Answer | null> => {
    try {
      return await ask();
    } catch (error) {
      unread.push(await unreadBecause(server, part, error));
      return null;
    }
  };
  return { unread, read };
}

/** @throws what is no answer to this one question */
async function unreadBecause(server: SqlServer, part: UnreadPart, error: unknown): Promise<Unread> {
  // A value of theirs that has no place in ours: the others are as good as ever.
  if (error instanceof RangeError)
    return { part, message: error.message, fix: 'Holdfast does not know this value: report it.' };
  if (!(error instanceof SqlServerError)) throw error;
  if (error.errorClass === 'lost') await observeServer(server);
  return { part, message: error.message, fix: error.hint };
}

async function missingObjects(server: SqlServer, database: string): Promise<string[]> {
  const there = await server.query(statements.backupObjects, { database });
  return backupObjects.filter(name => !there.some(each => sameName(each.name, name)));
}

async function seeJobs(server: SqlServer, offsetMinutes: number): Promise<SeenJob[]> {
  const { jobs } = await observeJobs(server);
  return jobs.map(({ name, enabled, lastRun, nextRunAt }) => ({
    name,
    enabled,
    lastRun: lastRun === null ? null : placeTime(lastRun.startedAt, offsetMinutes),
    lastOutcome: lastRun?.outcome ?? null,
    nextRun: nextRunAt === null ? null : placeTime(nextRunAt, offsetMinutes),
  }));
}

/** Two questions however many jobs there are. A job that came since the list was read is left to the next look. */
async function defineJobs(server: SqlServer, jobs: readonly SeenJob[]): Promise<JobDefinition[]> {
  const steps = Map.groupBy(await server.query(statements.allJobSteps, {}), ({ job }) => job);
  const schedules = Map.groupBy(await server.query(statements.allJobSchedules, {}), ({ job }) => job);
  return jobs.map(({ name, enabled }) => ({
    name,
    enabled,
    steps: (steps.get(name) ?? []).map(({ job: _job, ...step }) => step),
    schedules: (schedules.get(name) ?? []).map(({ job: _job, ...schedule }) => schedule),
  }));
}

// As adm_GetNumInstalledHostInstances reads ConfigurationState; other values are shown by their number.
const configurationStates = new Map([
  [1, 'INSTALLED'],
  [5, 'NOT_INSTALLED'],
]);

async function seePlatform(server: SqlServer, management: string): Promise<Platform> {
  const computers = await server.query(statements.computers, { management });
  const hosts = await server.query(statements.hosts, { management });
  const hostInstances = await server.query(statements.hostInstances, { management });
  return {
    computers: computers.map(({ name }) => name),
    hosts: hosts.map(({ name, type }) => ({ name, kind: hostKind(name, type) })),
    hostInstances: hostInstances.map(({ host, computer, configurationState, disabled }) => ({
      host,
      computer,
      enabled: disabled === 0,
      state: configurationStates.get(configurationState) ?? `CONFIGURATION_STATE_${String(configurationState)}`,
    })),
  };
}

function hostKind(name: string, type: number) {
  if (type === 1) return 'IN_PROCESS';
  if (type === 2) return 'ISOLATED';
  throw new RangeError(`The host ${name} has the type ${String(type)}; known are 1 (in process) and 2 (isolated).`);
}
