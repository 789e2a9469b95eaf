import { describe, expect, it } from '@jest/globals';
import { type GroupId, parseId } from './ids.ts';

describe('parseId', () => {
  it('gives one spelling for every letter case', () => {
    expect(parseId<GroupId>('0198A5C2-7E1B-7C3D-9A4F-0123456789AB')).toBe('0198a5c2-7e1b-7c3d-9a4f-0123456789ab');
  });

  it.each([
    '',
    'group-1',
    '0198a5c27e1b7c3d9a4f0123456789ab',
    '0198a5c2-7e1b-9c3d-9a4f-0123456789ab',
    ' 0198a5c2-7e1b-7c3d-9a4f-0123456789ab',
  ])('refuses %p', text => {
    expect(parseId<GroupId>(text)).toBeUndefined();
  });
});
