import type { InstanceId } from '@holdfast/domain';
import { safeMessage } from '@holdfast/service';
import type { RunnerDefinition } from '@holdfast/service/runner';
import type { Reader, Transactor } from '@holdfast/store';
import { coveredNames } from '../database/database-store.ts';
import { sameName, type SeenInstance } from '../estate/estate.ts';
import { discoverInstance } from '../estate/estate-store.ts';
import type { InventoryDependencies } from '../group/group-commands.ts';
import { groupsWith } from '../group/group-store.ts';
import type { InventoryTables } from '../tables.ts';
import { recordInstance } from './instance-commands.ts';
import type { Instance } from './instance.ts';
import { findInstance, instancesBesideManagement, reasonNotToAsk, saveInstance } from './instance-store.ts';

type Look = { readonly seen: SeenInstance; readonly observedAt: string };

/**
 * Keeps true what is known of the instances beside those that groups are managed from, each for itself: one that does not answer leaves
 * the others' facts fresh and its own older by the minute, with the reason beside them. Those in no group are among them: a standby's
 * logins are compared with its source's. Invariant: a look is stored whole, with a version raised only when something differs that others
 * may act on. It only reads the estate, so it resumes by looking again; a look is stored only where nobody has looked since. While an
 * execution may work there nothing is sent.
 */
export function instanceRunner(
  deps: InventoryDependencies,
): RunnerDefinition<InstanceId, Instance | undefined, Instance, Look> {
  const { store, clock, observeEveryMs } = deps;
  const isDue = ({ observedAt }: Instance, now: number) => Date.parse(observedAt) + observeEveryMs <= now;
  return {
    name: 'instance',
    subjects: () => store.read(instancesBesideManagement),
    key: id => id,
    observe: id =>
      store.read(async db => ((await reasonNotToAsk(db, id)) === undefined ? findInstance(db, id) : undefined)),
    decide: (instance, now) => (instance !== undefined && isDue(instance, now) ? instance : undefined),
    step: () => 'look',
    async act({ id, address, serverName }) {
      const look = await discoverInstance(deps, address, await store.read(db => coveredAt(db, id)));
      if ('refused' in look) throw new Error(look.cause);
      // An address that leads elsewhere by now must not mix two servers' facts.
      if (!sameName(look.seen.serverName, serverName))
        throw new Error(`The server at the address of ${serverName} calls itself ${look.seen.serverName}.`);
      return look;
    },
    record: (before, look) => store.transaction(tx => recordLook(deps, tx, before, look)),
    failed: (id, error) =>
      store.transaction(async tx => {
        const current = await findInstance(tx, id);
        // An error is news as long as the look is still to be done: another leader may have done it by now.
        if (current !== undefined && isDue(current, clock()))
          await saveInstance(tx, { ...current, observationError: safeMessage(error) });
      }),
  };
}

/** No job covers a database where no group has one: what is restored there now is not opened. */
async function coveredAt(db: Reader<InventoryTables>, id: InstanceId): Promise<readonly string[]> {
  return (await groupsWith(db, id)).length === 0 ? [] : coveredNames(db);
}

async function recordLook(
  deps: InventoryDependencies,
  tx: Transactor<InventoryTables>,
  before: Instance,
  look: Look,
): Promise<void> {
  const current = await findInstance(tx, before.id);
  if (current === undefined || current.observedAt !== before.observedAt) return;
  await recordInstance(deps, tx, { ...current, ...look });
}
