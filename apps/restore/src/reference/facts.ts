import type { MarkName } from '@holdfast/domain/mark';
import { backupJobName } from '@holdfast/domain/biztalk';
import type { Estate, GroupView, JobsView } from '../estate/estate.ts';
import { pairsOf, type Place } from '../estate/instance-pair.ts';
import type { KnownLogins } from '../estate/login-difference.ts';

/** What the steps after recovery are written from, as the other services published it last. */
export type ReferenceFacts = Pick<Estate, 'group' | 'standby'> & {
  /** By instance; of sources and standby. */
  readonly jobs: ReadonlyMap<string, JobsView>;
  readonly logins: KnownLogins;
  readonly mark: MarkName;
};

export type GroupDatabase = GroupView['databases'][number];
export type Job = NonNullable<JobsView['jobs']>[number];

/** Where the database is now; undefined: not at this standby. */
export function placeOf(databaseId: string, { standby }: Pick<Estate, 'standby'>): Place | undefined {
  const stream = standby.streams.find(candidate => candidate.databaseId === databaseId);
  if (stream === undefined) return undefined;
  const known = standby.instances.find(({ instanceId }) => instanceId === stream.instanceId);
  return { instanceId: stream.instanceId, name: known?.instanceName ?? stream.instanceId };
}

export function managementOf({ group }: Pick<Estate, 'group'>): GroupDatabase {
  const management = group.databases.find(({ databaseId }) => databaseId === group.managementDatabaseId);
  if (management === undefined) throw new Error(`Group ${group.name} has no management database.`);
  return management;
}

export function withRole({ group }: Pick<Estate, 'group'>, ...roles: readonly GroupDatabase['role'][]) {
  return group.databases.filter(({ role }) => roles.includes(role));
}

/** Agent jobs of the source that belong to one standby instance now. */
export type StandbyJobs = {
  /** When they were seen at the source, RFC 3339 UTC. */
  readonly sources: readonly { readonly name: string; readonly observedAt: string }[];
  readonly jobs: readonly Job[];
  /** Names of jobs that were seen beside them and that nothing ties to a database of the group. */
  readonly others: readonly string[];
  /** Source instances whose jobs nobody could read. */
  readonly unread: readonly string[];
};

export function jobsAt({ instanceId }: Place, facts: ReferenceFacts): StandbyJobs {
  const sources = pairsOf(facts)
    .filter(({ standby }) => standby.instanceId === instanceId)
    .map(({ source }) => ({ ...source, view: facts.jobs.get(source.instanceId) }));
  const read = sources.flatMap(({ view, ...source }) =>
    view?.jobs == null ? [] : [{ ...source, observedAt: view.observedAt, jobs: view.jobs }],
  );
  const placed = read.flatMap(source =>
    source.jobs.map(job => ({ job, at: placeOfJob(job, source.instanceId, facts)?.instanceId })),
  );
  return {
    sources: read.map(({ name, observedAt }) => ({ name, observedAt })),
    jobs: placed.flatMap(({ job, at }) => (at === instanceId ? [job] : [])),
    others: placed.flatMap(({ job, at }) => (at === undefined ? [job.name] : [])),
    unread: sources.flatMap(({ view, name }) => (view?.jobs == null ? [name] : [])),
  };
}

/**
 * A job follows its database: names embed the database's name (biztalk-dr.md §1.8), and what runs in a database of the group goes where that
 * one is. The jobs of BizTalk's own log shipping are the old destination's, not the new source's.
 */
function placeOfJob(job: Job, sourceId: string, facts: ReferenceFacts): Place | undefined {
  if (/log[ -]*shipping/i.test(job.name)) return undefined;
  const own = facts.group.databases.filter(({ instanceId }) => instanceId === sourceId);
  const ending = job.name.toLowerCase();
  const named = own
    .filter(({ name }) => ending.endsWith(`_${name.toLowerCase()}`) || ending.endsWith(`(${name.toLowerCase()})`))
    .sort((a, b) => b.name.length - a.name.length)[0];
  const worksIn = own.find(({ name }) =>
    job.steps.some(({ databaseName }) => databaseName?.toLowerCase() === name.toLowerCase()),
  );
  const database = named ?? worksIn;
  return database && placeOf(database.databaseId, facts);
}

/** Disabled by design and started by another job: never to be enabled (biztalk-dr.md §1.8). */
export function isMessageCleanup({ name }: Pick<Job, 'name'>): boolean {
  return /^MessageBox_Message_Cleanup_/i.test(name);
}

export function isBackupJob({ name }: Pick<Job, 'name'>, facts: ReferenceFacts): boolean {
  return name.toLowerCase() === backupJobName(managementOf(facts).name).toLowerCase();
}
