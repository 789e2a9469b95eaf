import { describe, expect, it } from '@jest/globals';
import { copiesOf, full, known, log } from '../../test/estate.ts';
import { type Copy, copyStep, headerDifference } from './copy.ts';

const file = known(full()).files[0]!;
const copy = copiesOf(full())[0]!;
const kind = (have: Copy | undefined) => copyStep({ file, setNumber: '1', copy: have })?.kind;

describe('a copy', () => {
  it('is verified when it is written, and is then done', () => {
    expect(kind(undefined)).toBe('COPY');
    expect(kind({ ...copy, state: 'WRITING' })).toBe('COPY');
    expect(kind({ ...copy, state: 'WRITTEN' })).toBe('VERIFY');
    expect(kind(copy)).toBeUndefined();
  });

  it('is made again when the source has another backup under the file', () => {
    expect(kind({ ...copy, backupSetUuid: log(2).setId })).toBe('COPY');
  });
});

it('recognises a backup by uuid and LSNs', () => {
  const { header } = known(full()).files[0]!;
  const other = known(log(2)).files[0]!.header!;
  expect(headerDifference(header!, header!, 1)).toBeUndefined();
  expect(headerDifference(header!, undefined, 2)).toBe('no backup at position 2');
  expect(headerDifference(header!, other, 1)).toContain(other.backupSetUuid);
  expect(headerDifference(header!, { ...header!, lastLsn: other.lastLsn }, 1)).toContain('LSNs');
});
