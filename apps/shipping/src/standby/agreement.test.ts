import type { MarkName } from '@holdfast/domain';
import { describe, expect, it } from '@jest/globals';
import { agreementOf } from './agreement.ts';
import { shippingReason } from './reason.ts';
import type { StandbyState } from './standby.ts';

const mark = 'BTS_2026_11_21_04_00_00_123' as MarkName;
const apart = shippingReason('NO_COMMON_MARK', { ahead: 'Orders at DRDB2', behind: 'BizTalkMgmtDb at DRDB1' });
const lagging = shippingReason('LAGGING', { database: 'Orders', sets: 3 });

describe('the agreement of a standby', () => {
  it.each<[StandbyState, MarkName | null, boolean | null]>([
    ['IN_SYNC', mark, true],
    ['LAGGING', mark, true],
    ['BLOCKED', mark, true],
    ['BLOCKED', null, null],
    ['SEEDING', null, null],
    ['UNKNOWN', mark, null],
    ['YIELDED', mark, null],
    ['RECOVERED', null, null],
  ])('%s with %s: %s', (state, newestCommonMark, agrees) => {
    const found = agreementOf(state, { reasons: [lagging], newestCommonMark });
    expect(found).toEqual({ agrees, differences: [], cheapestRepair: null });
  });

  it('leads past a backup that cannot be restored by a reseed, whatever log set follows', () => {
    const damaged = ['Orders'];
    for (const [state, newestCommonMark] of [
      ['BLOCKED', mark],
      ['NO_COMMON_MARK', null],
    ] as const)
      expect(agreementOf(state, { reasons: [], newestCommonMark }, damaged).cheapestRepair).toMatchObject({
        code: 'RESEED',
        evidence: 'databases: Orders',
      });
  });

  it('names who is ahead and who behind, and what would heal it', () => {
    const found = agreementOf('NO_COMMON_MARK', { reasons: [apart, lagging], newestCommonMark: null });
    expect(found).toMatchObject({
      agrees: false,
      differences: [{ code: 'NO_COMMON_MARK', evidence: 'ahead: Orders at DRDB2; behind: BizTalkMgmtDb at DRDB1' }],
      cheapestRepair: { code: 'NEXT_LOG_SET' },
    });
  });
});
