import { requireLsn } from '@holdfast/domain';
import { describe, expect, it } from '@jest/globals';
import { copiesOf, databases, fork, full, known, log, standby, stream, target } from '../../test/estate.ts';
import type { SetPayload } from '../../test/estate.ts';
import { shippingReason } from '../standby/reason.ts';
import type { StandbyView } from './assessment.ts';
import { planReseed } from './reseed.ts';

const [management, messageBox] = databases.map(({ name }) => name) as [string, string];
const streams = databases.map(({ name }) => stream(name, { state: 'IN_SYNC' }));
const ids = new Set([streams[0]!.id]);
const all = new Set(streams.map(({ id }) => id));

function view(
  sets: readonly SetPayload[],
  positions: Readonly<Record<string, number | 'ONLINE'>>,
  changes: Partial<StandbyView> = {},
): StandbyView {
  const looks = Object.entries(positions).map(([name, at]) =>
    at === 'ONLINE'
      ? { name, state: 'ONLINE', redoStartLsn: null, redoStartForkGuid: null }
      : { name, state: 'RESTORING', redoStartLsn: requireLsn(String(at)), redoStartForkGuid: fork },
  );
  return {
    standby,
    streams,
    sets: sets.map(known),
    copies: copiesOf(...sets),
    looks: [{ instanceId: target.instanceId, observedAt: '', reachable: true, databases: looks }],
    nowMs: 0,
    ...changes,
  };
}
const planned = (of: StandbyView, chosen = ids) => {
  const plan = planReseed(of, chosen);
  if (plan.kind !== 'PLANNED') return plan.kind;
  return [plan.mark, ...plan.databases.map(({ files, bytes }) => [files.map(({ setNumber }) => setNumber), bytes])];
};
const at = (first: number, second: number) => ({ [management]: first, [messageBox]: second });

describe('a reseed', () => {
  it('goes back to the newest mark that the others can still reach', () => {
    expect(planned(view([full(), log(2)], at(30, 20)))).toEqual(['M2', [['1', '20'], '2000']]);
  });

  it('takes the newest full that leads to the newest mark', () => {
    const sets = [full(), log(2), full(2, 35), log(3), log(4)];
    expect(planned(view(sets, at(20, 20)), all)).toEqual([
      'M4',
      [['2', '30', '40'], '3000'],
      [['2', '30', '40'], '3000'],
    ]);
  });

  it('passes over a full whose copy could not be restored, and one whose log is not whole here', () => {
    const sets = [full(), log(2), full(2, 35), log(3)];
    const copies = copiesOf(...sets).map(copy =>
      copy.setId === known(full(2, 35)).setId ? { ...copy, damagedSha256: copy.sha256 } : copy,
    );
    expect(planned(view(sets, at(20, 20), { copies }))).toEqual(['M3', [['1', '20', '30'], '3000']]);
    const written = copiesOf(...sets).map(copy =>
      copy.setId === known(log(3)).setId ? { ...copy, state: 'WRITTEN' as const } : copy,
    );
    expect(planned(view(sets, at(20, 20), { copies: written }))).toEqual(['M2', [['1', '20'], '2000']]);
  });

  it('has no valid full where no later mark lies behind one, or the others are past it', () => {
    expect(planned(view([full()], at(20, 20)))).toBe('NO_VALID_FULL');
    expect(planned(view([full(), log(2)], at(20, 30)))).toBe('NO_VALID_FULL');
    expect(planReseed(view([full(), log(2)], at(20, 30)), ids)).toMatchObject({
      why: expect.stringContaining(messageBox),
    });
  });

  it('touches nothing that is not RESTORING, or that nobody saw', () => {
    expect(planned(view([full(), log(2)], { [management]: 'ONLINE', [messageBox]: 20 }))).toBe('NOT_RESTORING');
    const reason = shippingReason('STANDBY_UNREACHABLE', { instance: 'SQL2', cause: 'no answer' });
    const looks = [{ instanceId: target.instanceId, observedAt: '', reachable: false as const, reason }];
    expect(planned(view([full(), log(2)], {}, { looks }))).toBe('NOT_SEEN');
  });
});
