import { afterEach, describe, expect, it } from '@jest/globals';
import { databases, estate, manager, marks, sourceId } from '../../test/estate-of-two.ts';
import { openFailover, releases } from '../../test/open-failover.ts';
import { offerText } from './older-mark.ts';
import { secondsFor } from './speed.ts';
import { newSteps, probeSteps } from './step.ts';
import { cancelExecution, confirmStep, skipStep } from './operator-commands.ts';

const known = estate();
/** The newest log of the second database. */
const rotten = known.copies.at(-1)!.path;
const [first, second] = databases.map(({ name }) => name);
const isReseed = (statement: string) => statement.startsWith('RESTORE DATABASE') && statement.includes('_0.bak');

let remove: (() => Promise<void>) | undefined;
afterEach(async () => {
  await remove?.();
  remove = undefined;
});

async function opened(estateKnown = known) {
  const failover = await openFailover({ known: estateKnown });
  ({ remove } = failover);
  failover.standby.faults.rotten = rotten;
  await failover.run();
  const offer = async () => (await failover.view()).steps.find(({ work }) => work.kind === 'OFFER');
  return { ...failover, offer };
}

describe('the offer of an older mark', () => {
  it('says how long it takes only where restores were timed', () => {
    const parts = [
      { instance: 'A', bytes: 1_000n },
      { instance: 'B', bytes: 3_010n },
    ];
    const [step] = newSteps(probeSteps([{ instanceId: sourceId, instanceName: 'STANDBY' }]), 0, () => 'step');
    const chosen = { recoveryPointId: 'p' as never, markName: marks[1] as never, markedAt: null, databases: [] };
    const older = { chosen, dataLoss: null, databases: [], past: ['a'], notPast: [], bytes: 4_010n, parts };
    const expected = (speed: number | null) => offerText(step!, [], older, secondsFor(parts, speed)).expected;
    // Instances work beside each other: the one with most to read decides.
    expect(expected(100)).toContain('about 31 s');
    expect(expected(null)).toContain('not known: no restore at this standby was timed');
  });
});

describe('a file that cannot be restored', () => {
  it('stops everything before any recovery, and offers an older mark with what it costs', async () => {
    const { view, offer, standby, store } = await opened();
    expect(await view()).toMatchObject({
      state: 'AWAITING_OPERATOR',
      passedPointOfNoReturn: false,
    });
    expect((await view()).steps.find(({ state }) => state === 'FAILED')).toMatchObject({
      databaseName: second,
      reasons: [{ code: 'SQL_MEDIA' }],
    });
    expect(await offer()).toMatchObject({
      state: 'AWAITING_CONFIRMATION',
      work: { mark: marks[1] },
      why: expect.stringMatching(
        new RegExp(`${second!}_3.*Past ${marks[1]!}: ${first!}, ${second!}. Not past it: none`),
      ),
      // Full, first log and the one with the mark, of each.
      command: expect.stringContaining('6144 bytes'),
    });
    expect(standby.sent.some(isReseed)).toBe(false);
    expect(standby.sent.join()).not.toContain('WITH RECOVERY');
    expect(await releases(store)).toEqual([]);
  });

  it('is left behind once somebody has said yes: the databases begin again and all open at the older mark', async () => {
    const { view, offer, standby, run, id, dependencies, store } = await opened();
    const step = (await offer())!;
    const input = { executionId: id, stepId: step.stepId };
    expect(await skipStep({ ...input, reason: 'no' }, manager, dependencies)).toMatchObject({ refused: 'NotAllowed' });
    standby.sent.length = 0;
    await confirmStep(input, manager, dependencies);
    let cut = false;
    await run(name => {
      if (name !== 'execution/restore/answered' || cut) return;
      cut = true;
      throw new Error('cut after the first full');
    });
    expect(await view()).toMatchObject({
      state: 'COMPLETED',
      chosen: { markName: marks[1] },
      dataLoss: { atLeastSeconds: 900 },
    });
    // Nothing is dropped twice, whatever was cut.
    expect(standby.sent.filter(isReseed)).toHaveLength(2);
    for (const name of [first!, second!])
      expect(standby.state.get(name)).toMatchObject({
        state: 'ONLINE',
        marks: marks.slice(0, 2),
      });
    expect(await offer()).toMatchObject({
      state: 'SUCCEEDED',
      reasons: [{ code: 'CONFIRMED' }],
    });
    expect(await releases(store)).toEqual(['RECOVERED']);
  });

  it('gives the standby back when somebody cancels instead', async () => {
    const { view, standby, run, id, dependencies, store } = await opened();
    standby.sent.length = 0;
    await cancelExecution({ executionId: id, reason: 'copy it again' }, manager, dependencies);
    await run();
    expect(await view()).toMatchObject({ state: 'CANCELLED' });
    expect(standby.sent).toEqual([]);
    expect(await releases(store)).toEqual(['RETURNED']);
  });

  it('ends the execution when there is no older mark that all can reach', async () => {
    const copies = known.copies.filter(({ setId }) => setId !== known.sets[0]!.setId);
    const { view, store } = await opened({ ...known, copies });
    expect(await view()).toMatchObject({ state: 'FAILED' });
    expect((await view()).steps.find(({ state }) => state === 'FAILED')).toMatchObject({
      reasons: [{ code: 'FILE_CANNOT_BE_RESTORED', evidence: rotten }],
    });
    expect(await releases(store)).toEqual(['RETURNED']);
  });
});
