import { afterEach, describe, expect, it } from '@jest/globals';
import type { CheckpointHook } from '@holdfast/service/runner';
import { estate, marks, serverError, twoPlaces } from '../../test/estate-of-two.ts';
import { type Failover, type FailoverOptions, openFailover, releases } from '../../test/open-failover.ts';

const gone = twoPlaces.places.map(({ sourceId: instanceId }) => ({ instanceId, reason: 'under water' }));
const names = twoPlaces.databases.map(({ name }) => name);

let opened: Failover | undefined;
afterEach(async () => {
  await opened?.remove();
  opened = undefined;
});

async function failover(options: FailoverOptions = {}): Promise<Failover> {
  const known = estate({ shape: twoPlaces });
  return (opened = await openFailover({ known, input: { declaredUnreachable: gone }, ...options }));
}

/** Counts the statements on their way; the first of them wait until there are `enough`. */
function crowd(step: string, enough: number) {
  const full = Promise.withResolvers<undefined>();
  let now = 0;
  let most = 0;
  const hook: CheckpointHook = async name => {
    if (name === `execution/${step}/answered`) now -= 1;
    if (name !== `execution/${step}/begun`) return;
    now += 1;
    most = Math.max(most, now);
    if (most === enough) full.resolve(undefined);
    await full.promise;
  };
  return { hook, most: () => most };
}

describe('thirteen databases on two instances', () => {
  it.each(['restore', 'recover'])('%s side by side on both, as many as allowed on each', async step => {
    const { run, view, standby } = await failover({ parallelRestores: 3 });
    const { hook, most } = crowd(step, 6);
    await run(hook);
    expect(most()).toBe(6);
    expect(await view()).toMatchObject({ state: 'COMPLETED', chosen: { markName: marks[2] } });
    expect(standby.sent).toHaveLength(3 * names.length);
    expect(new Set(standby.sent).size).toBe(3 * names.length);
    expect((await view()).steps.every(({ state, attempts }) => state === 'SUCCEEDED' && attempts === 1)).toBe(true);
  });

  it('are begun with the one that has most to read, on each instance', async () => {
    const known = estate({ shape: twoPlaces });
    const largest = ['SSODB', 'Orders'];
    const sets = known.sets.map(set => ({
      ...set,
      files: set.files.map(file => {
        const { name } = twoPlaces.databases.find(({ id }) => id === file.databaseId)!;
        return largest.includes(name) ? { ...file, header: { ...file.header!, size: '4096' } } : file;
      }),
    }));
    const { run, standby } = await failover({ known: { ...known, sets }, parallelRestores: 1 });
    await run();
    const first = [...standby.sent.slice(0, 2)].join();
    for (const name of largest) expect(first).toContain(name);
  });

  it('are listed by instance, the management database first, and opened in that order', async () => {
    const { run, view } = await failover();
    await run();
    const { steps } = await view();
    const opened = steps.filter(({ work }) => work.kind === 'RECOVER');
    expect(opened.map(({ where, databaseName }) => `${where} ${databaseName ?? ''}`)).toEqual([
      ...['BizTalkMgmtDb', 'BAMAlertsApplication', 'BAMAlertsNSMain', 'BAMPrimaryImport', 'BizTalkMsgBoxDb']
        .concat(['BizTalkRuleEngineDb', 'SSODB'])
        .map(name => String.raw`DRDB1\BTS ${name}`),
      ...['Billing', 'BizTalkDTADb', 'BizTalkMsgBoxDb2', 'EsbExceptionDb', 'EsbItineraryDb', 'Orders'].map(
        name => String.raw`DRDB2\BTS ${name}`,
      ),
    ]);
    expect(steps.map(({ position }) => position)).toEqual(steps.map((_, index) => index + 1));
  });

  it('are all brought to the newest mark that each of them can reach', async () => {
    const known = estate({ shape: twoPlaces });
    const billing = twoPlaces.databases.at(-1)!.id;
    const last = known.sets.at(-1)!.setId;
    const copies = known.copies.filter(({ databaseId, setId }) => databaseId !== billing || setId !== last);
    const { run, view } = await failover({ known: { ...known, copies } });
    await run();
    expect(await view()).toMatchObject({ state: 'COMPLETED', chosen: { markName: marks[1] } });
  });

  it('do not wait for one that fails for now; that one shows why at its own step', async () => {
    const { run, view, standby } = await failover({ parallelRestores: 1 });
    let shown: unknown;
    await run(async name => {
      if (name === 'execution/restore/looked' && standby.sent.length === 0)
        standby.faults.failNext = serverError(3101, 'transient');
      if (name !== 'execution/restore/decided' || standby.sent.length === 0) return;
      const { steps } = await view();
      const open = steps.filter(({ work, state }) => work.kind === 'RESTORE' && state !== 'SUCCEEDED');
      shown = open.map(({ databaseName, reasons }) => [databaseName, reasons[0]?.code]);
    });
    const failed = standby.sent[0]!.split(' ').at(-2);
    // Its two files are all that is left for the second attempt.
    expect(shown).toEqual([
      [expect.stringMatching(/BizTalkMgmtDb|Billing/), 'SQL_TRANSIENT'],
      [expect.anything(), undefined],
    ]);
    expect(failed).toBeDefined();
    expect(await view()).toMatchObject({ state: 'COMPLETED' });
  });

  it('begin nothing more once one of them cannot succeed, and the standby is given back when nothing runs any more', async () => {
    const { run, view, standby, store } = await failover({ parallelRestores: 2 });
    let [begun, answered] = [0, 0];
    await run(async name => {
      if (name === 'execution/restore/begun') begun += 1;
      if (name === 'execution/restore/begun' && begun === 1) standby.faults.failNext = serverError(4330, 'chain');
      if (name === 'execution/restore/answered') answered += 1;
    });
    expect(await view()).toMatchObject({ state: 'FAILED', passedPointOfNoReturn: false });
    const failed = (await view()).steps.filter(({ state }) => state === 'FAILED');
    expect(failed).toMatchObject([{ work: { kind: 'RESTORE' }, reasons: [{ code: 'SQL_CHAIN' }] }]);
    // Two on each instance were on their way; only the refused one was not answered.
    expect(begun).toBeLessThanOrEqual(4);
    expect(answered).toBe(begun - 1);
    expect(await releases(store)).toEqual(['RETURNED']);
  });

  it('stay closed, all of them, when one on the other instance has moved before the first is opened', async () => {
    const { run, view, standby, store } = await failover();
    const moved = 'Orders';
    await run(name => {
      if (name !== 'execution/recover/decided') return;
      const seen = standby.state.get(moved)!;
      standby.state.set(moved, { ...seen, position: { ...seen.position!, lsn: '39000000000000000000' as never } });
    });
    expect(await view()).toMatchObject({ state: 'FAILED', passedPointOfNoReturn: false });
    const failed = (await view()).steps.filter(({ state }) => state === 'FAILED');
    expect(failed).toMatchObject([{ databaseName: moved, reasons: [{ code: 'NOT_AT_MARK' }] }]);
    expect(standby.sent.join()).not.toContain('WITH RECOVERY');
    expect(await releases(store)).toEqual(['RETURNED']);
  });

  it('are opened all the same where nothing is presumed of in-doubt transactions, and it stays to be read', async () => {
    const second = twoPlaces.places[1]!.standbyInstanceId;
    const { run, view } = await failover({
      instances: own => ({ ...own, inDoubtResolution: async instanceId => (instanceId === second ? 0 : 1) }),
    });
    await run();
    expect(await view()).toMatchObject({ state: 'COMPLETED' });
    const check = (await view()).steps.find(({ work }) => work.kind === 'CHECK');
    expect(check).toMatchObject({
      state: 'SUCCEEDED',
      reasons: [
        {
          code: 'IN_DOUBT_NOT_PRESUMED',
          message: expect.stringContaining(String.raw`DRDB2\BTS: nothing`),
          evidence: String.raw`DRDB1\BTS: 1, DRDB2\BTS: 0`,
        },
      ],
    });
  });
});
