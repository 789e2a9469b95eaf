import type { groupObserved, PayloadOf } from '@holdfast/events';
import type { CoverageFinding } from '../coverage/coverage.ts';
import type { Group } from './group.ts';

/** What is published of a group, but for its version and the moment of looking. */
export type GroupNews = Omit<PayloadOf<typeof groupObserved>, 'version' | 'observedAt' | 'coverage'> & {
  readonly coverage: readonly CoverageFinding[];
};

/** The same text for what means the same to others: neither order nor the evidence and times of a finding are news. */
export function toldOfGroup(news: GroupNews): string {
  const { name, site, managementDatabaseId, instances, databases, platform = null, coverage } = news;
  return JSON.stringify([
    [name, site, managementDatabaseId],
    inOrder(instances.map(each => [each.instanceId, each.name, each.serverName, each.productVersion])),
    inOrder(
      databases.map(each => [
        each.databaseId,
        each.name,
        each.role,
        each.instanceId,
        each.inBackupJob,
        each.state,
        each.recoveryModel,
        each.storedServer,
        each.otherName,
      ]),
    ),
    inOrder(coverage.map(({ instance, database, problem, reason }) => [instance, database, problem, reason.code])),
    platform === null ? null : toldOfPlatform(platform),
  ]);
}

function toldOfPlatform({ ssoServer, computers, hosts, hostInstances }: NonNullable<GroupNews['platform']>) {
  return [
    ssoServer,
    inOrder(computers),
    inOrder(hosts.map(({ name, kind }) => [name, kind])),
    inOrder(hostInstances.map(({ host, computer, enabled }) => [host, computer, enabled])),
  ];
}

export function isNews(group: Group, news: GroupNews): boolean {
  return toldOfGroup(news) !== group.told;
}

function inOrder(rows: readonly unknown[]): string[] {
  return rows.map(row => JSON.stringify(row)).sort();
}
