import { describe, expect, it } from '@jest/globals';
import type { SeenLogin } from '../estate/estate.ts';
import { inOrder, toldOfLogins } from './logins.ts';

const sa: SeenLogin = { name: 'sa', sid: '0x01', kind: 'SQL_LOGIN', disabled: true };
const orders: SeenLogin = { name: 'orders', sid: '0x5A', kind: 'SQL_LOGIN', disabled: false };

describe('what is told of logins', () => {
  it('does not depend on their order', () => {
    expect(inOrder([sa, orders])).toEqual([orders, sa]);
    expect(toldOfLogins([orders, sa])).toBe(toldOfLogins([sa, orders]));
  });

  it.each<readonly [string, readonly SeenLogin[] | null]>([
    ['one that came', [sa, orders, { ...orders, name: 'billing' }]],
    ['one that is gone', [sa]],
    ['none', []],
    ['that they cannot be read', null],
    ['another SID', [sa, { ...orders, sid: '0x5B' }]],
    ['another kind', [sa, { ...orders, kind: 'WINDOWS_LOGIN' }]],
    ['one that was disabled', [sa, { ...orders, disabled: true }]],
    ['another name', [sa, { ...orders, name: 'order' }]],
  ])('is news by %s', (_what, logins) => {
    expect(toldOfLogins(logins)).not.toBe(toldOfLogins([sa, orders]));
  });
});
