/**
 * A standby that an execution claims twice while it is kept in step, for the injury harness. The first claim comes in the middle, once the
 * first database is seeded; the standby comes back, more is shipped and it is rolled on. Then it is claimed again and comes back recovered.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { join } from 'node:path';
import type { GroupId } from '@holdfast/domain';
import { standbyYielded } from '@holdfast/events';
import { discoveredId } from '@holdfast/service';
import type { Store } from '@holdfast/store';
import { saveSet } from '../src/estate/estate-store.ts';
import { claimStandby, releaseStandby } from '../src/standby/standby-commands.ts';
import type { ShippingTables } from '../src/tables.ts';
import { isSettled, keepLooking, streamTrial } from './stream-trial.ts';
import { prepareStream, readStored, saveCopies, type StreamWorld } from './stream-world.ts';
import { dependenciesOf, openWorldStore, published, sentByShipping } from './world.ts';

const [first, second] = ['first', 'second'].map(name => discoveredId('execution', name)) as [string, string];
const shippedBefore = 2;

export const trial = streamTrial({
  prepare: () => prepareStream(shippedBefore),
  isDone: ({ standby }) => standby.state === 'RECOVERED',
  beside: startRestore,
  endState: async world => {
    const store = await openWorldStore(world.folder);
    const events = await published(store);
    const { standby } = await readStored(store, world.standbyId);
    await store.close();
    await mustBeLeftAlone(world, events);
    const answers = events
      .filter(({ type }) => type === 'standby.yielded')
      .map(({ payload }) => (payload['executionId'] === first ? 'first' : 'second'));
    return { answers, over: standby.state };
  },
});

/** The service that claims: what its events change here is stored as the consumer does it, one step after the other, each only once. */
function startRestore(
  { folder, standbyId, sets }: StreamWorld,
  store: Store<ShippingTables>,
  passes: () => number,
): ReturnType<typeof keepLooking> {
  const dependencies = dependenciesOf(store);
  const groupId = sets[0]!.groupId as GroupId;

  /** Twice at once, as two incarnations would: the inbox lets one of them through. */
  const claim = (executionId: string) =>
    store.transaction(async tx => {
      const claimedBefore = await tx.selectFrom('standby').select('claim_execution_id').executeTakeFirstOrThrow();
      const answers = await tx.selectFrom('outbox').select('body').where('type', '=', standbyYielded.type).execute();
      const known = answers.some(({ body }) => body.includes(executionId));
      if (known || claimedBefore.claim_execution_id !== null) return;
      const claimedAt = new Date().toISOString();
      await claimStandby(tx, dependencies, { executionId, groupId, standbyId, claimedAt });
    });
  const release = (executionId: string, outcome: 'RETURNED' | 'RECOVERED') =>
    store.transaction(async tx => {
      const releasedAt = new Date().toISOString();
      await releaseStandby(tx, dependencies, { executionId, groupId, standbyId, releasedAt, outcome });
    });
  /** Work that nobody may begin now, and time for whoever would: the runner has looked for subjects twice more. */
  const temptation = async (signal: AbortSignal) => {
    await store.transaction(async tx => {
      for (const set of sets) await saveSet(tx, set);
    });
    await saveCopies(store, standbyId, sets, join(folder, 'copies'));
    const before = passes();
    while (passes() < before + 3 && !signal.aborted) await pause(5);
  };
  return keepLooking(async signal => {
    const stored = await readStored(store, standbyId);
    const { claim: held } = stored.standby;
    const answered = (await published(store)).filter(({ type }) => type === 'standby.yielded').length;
    if (held?.yieldedAt != null) {
      await temptation(signal);
      if (!signal.aborted) await release(held.executionId, held.executionId === first ? 'RETURNED' : 'RECOVERED');
    } else if (held === null) {
      if (answered === 0 && stored.streams.some(({ position }) => position !== null)) await claim(first);
      if (answered === 1 && isSettled(stored, sets)) await claim(second);
    }
    return undefined;
  });
}

/** @throws when anything of ours reached the standby between an answer and the release after it, or ever after the last one. */
async function mustBeLeftAlone({ folder }: StreamWorld, events: Awaited<ReturnType<typeof published>>): Promise<void> {
  const sent = await sentByShipping(join(folder, 'standby'));
  for (const [index, { type, at: from }] of events.entries()) {
    if (type !== 'standby.yielded') continue;
    const back = events
      .slice(index)
      .find(event => event.type === 'standby.changed' && event.payload['state'] === 'UNKNOWN');
    const late = sent.find(
      ({ at, outcome }) => outcome === 'started' && at > from && (back === undefined || at < back.at),
    );
    if (late !== undefined) throw new Error(`after the standby was yielded: ${JSON.stringify(late)}`);
  }
}
