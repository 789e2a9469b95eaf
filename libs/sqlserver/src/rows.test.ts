import { describe, expect, it } from '@jest/globals';
import { decodeRows } from './rows.ts';

const columns = { name: 'text', redoStart: 'lsn?', isOnline: 'flag', uuid: 'uuid?' } as const;
const row = { name: 'a', redoStart: '37000000072800003', isOnline: 1, uuid: null };

describe('rows', () => {
  it('come back as the catalogue promises', () => {
    const uuid = 'A1B2C3D4-0000-4000-8000-00000000ABCD';
    expect(decodeRows('s', columns, [row, { ...row, redoStart: null, isOnline: false, uuid, more: 1 }])).toEqual([
      { name: 'a', redoStart: '37000000072800003', isOnline: true, uuid: null },
      { name: 'a', redoStart: null, isOnline: false, uuid: uuid.toLowerCase() },
    ]);
  });

  it.each([
    [{ ...row, redoStart: 37000000072800003 }, 'redoStart is not a lsn? but number'],
    [{ ...row, name: null }, 'name is NULL'],
    [{ ...row, isOnline: 2 }, 'isOnline is not a flag'],
    [{ name: 'a' }, 'redoStart did not come back'],
  ])('refuse %j', (wrong, message) => {
    expect(() => decodeRows('s', columns, [wrong])).toThrow(message);
  });
});
