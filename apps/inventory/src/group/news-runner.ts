import type { RunnerDefinition } from '@holdfast/service/runner';
import { type InventoryDependencies, outdatedBy, tellGroup } from './group-commands.ts';
import { isNews } from './group-news.ts';
import type { Group } from './group.ts';
import { allGroups, findGroup } from './group-store.ts';
import { storedNews } from './news-store.ts';

/**
 * Tells what became of a group without any look at it: facts that are too old by now, because nothing answers or an execution holds it, and
 * a database that another group was found to own. Invariant: what was published last is what is stored, judged now. It asks no server, and
 * what was told is kept in the transaction that tells it, so it resumes by comparing again.
 */
export function newsRunner(deps: InventoryDependencies): RunnerDefinition<Group, Group | undefined, Group, undefined> {
  const { store } = deps;
  return {
    name: 'news',
    subjects: () => store.read(allGroups),
    key: group => group.id,
    observe: ({ id }) =>
      store.read(async db => {
        const group = await findGroup(db, id);
        if (group === undefined) return undefined;
        return isNews(group, await storedNews(db, group, outdatedBy(deps))) ? group : undefined;
      }),
    decide: group => group,
    step: () => 'tell',
    act: () => Promise.resolve(undefined),
    record: async ({ id }) => {
      await store.transaction(tx => tellGroup(deps, tx, id));
    },
  };
}
