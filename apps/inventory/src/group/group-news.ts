import type { groupObserved, PayloadOf } from '@holdfast/events';
import type { CoverageFinding } from '../coverage/coverage.ts';
import type { Group } from './group.ts';

/** What is published of a group, but for its version and the moment of looking. */
export type GroupNews = Omit<PayloadOf<typeof groupObserved>, 'version' | 'observedAt' | 'coverage'> & {
  readonly coverage: readonly CoverageFinding[];
};

/** The same text for what means the same to others: neither order nor the evidence and times of a finding are news. */
export function toldOfGroup({ name, site, managementDatabaseId, instances, databases, coverage }: GroupNews): string {
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
      ]),
    ),
    inOrder(coverage.map(({ instance, database, problem, reason }) => [instance, database, problem, reason.code])),
  ]);
}

export function isNews(group: Group, news: GroupNews): boolean {
  return toldOfGroup(news) !== group.told;
}

function inOrder(rows: readonly unknown[]): string[] {
  return rows.map(row => JSON.stringify(row)).sort();
}
