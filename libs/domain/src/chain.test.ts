import { describe, expect, it } from '@jest/globals';
import { afterD1, at, copies, copy, fork, lsnAt, markLsn, names } from '../test/worked-chain.ts';
import {
  applicability,
  basesFor,
  chainFrom,
  chainTo,
  forkAt,
  holds,
  logsFrom,
  nextLog,
  positionAfter,
} from './chain.ts';
import { requireLsn } from './lsn.ts';

const toMark = { lsn: markLsn, forkGuid: fork };
const otherFork = '22222222-2222-4222-8222-222222222222';
const onFork = (name: 'L1' | 'L2' | 'L3' | 'L4', firstForkGuid: string, lastForkGuid = firstForkGuid) =>
  copy(name, { header: { ...copy(name).header, firstForkGuid, lastForkGuid } });

describe('the worked chain of sqlserver.md §2.8', () => {
  it.each([
    ['F2 then L3: 4326, L3 ends before F2', positionAfter(copy('F2')), 'L3', 'ALREADY_APPLIED'],
    ['F2 then L4', positionAfter(copy('F2')), 'L4', 'APPLIES'],
    ['F1 then L1', positionAfter(copy('F1')), 'L1', 'APPLIES'],
    ['F1 then L2: 4305', positionAfter(copy('F1')), 'L2', 'GAP'],
    ['F1, D1 then L1: 4326', afterD1, 'L1', 'ALREADY_APPLIED'],
    ['F1, D1 then L2: 4326', afterD1, 'L2', 'ALREADY_APPLIED'],
    ['F1, D1 then L3', afterD1, 'L3', 'APPLIES'],
    ['C1 then L2', positionAfter(copy('C1')), 'L2', 'APPLIES'],
    ['L4 twice: skip', positionAfter(copy('L4')), 'L4', 'ALREADY_APPLIED'],
  ] as const)('%s', (_, position, log, expected) => {
    expect(applicability(copy(log), position)).toBe(expected);
  });

  it.each([
    ['F1', ['F1', 'L1', 'L2', 'L3', 'L4']],
    ['C1', ['C1', 'L2', 'L3', 'L4']],
    ['F2', ['F2', 'L4']],
  ] as const)('from %s the chain is %p', (base, expected) => {
    const chain = chainFrom(copy(base), copies('L4', 'L2', 'L3', 'L1'));
    expect(names(chain.files)).toEqual(expected);
    expect(chain).toMatchObject({ gap: null, position: { lsn: lsnAt('L4', 'last') } });
  });

  it('names what is missing in F1, L2', () => {
    const { files, gap } = chainFrom(copy('F1'), copies('L2', 'L3', 'L4'), toMark);
    expect(names(files)).toEqual(['F1']);
    expect(gap).toEqual({ fromLsn: lsnAt('F1', 'last'), toLsn: lsnAt('L2', 'first'), why: 'MISSING' });
  });

  it('does not reach the mark with F1, L1, L2, L3', () => {
    const { gap } = chainFrom(copy('F1'), copies('L1', 'L2', 'L3'), toMark);
    expect(gap).toEqual({ fromLsn: lsnAt('L3', 'last'), toLsn: null, why: 'MISSING' });
  });

  it('reaches a mark before the end of F2 only from the fulls before it', () => {
    const early = requireLsn('37000000069600000');
    expect(names(basesFor(copies('F1', 'F2', 'C1'), markLsn))).toEqual(['F2', 'C1', 'F1']);
    expect(names(basesFor(copies('F1', 'F2', 'C1'), early))).toEqual(['C1', 'F1']);
    const chain = chainTo(copies('F1', 'F2', 'C1'), copies('L1', 'L2', 'L3', 'L4'), { lsn: early, forkGuid: fork });
    expect(names(chain?.files ?? [])).toEqual(['C1', 'L2', 'L3', 'L4']);
  });
});

describe('nextLog', () => {
  it('takes the log that ends first, so that a copy-only log never skips a mark', () => {
    const long = copy('L1', { header: { ...copy('L1').header, lastLsn: lsnAt('L4', 'last') } });
    expect(nextLog(positionAfter(copy('F1')), [long, ...copies('L1')])).toMatchObject({
      kind: 'LOG',
      file: copy('L1'),
    });
  });

  it('ends where every log is applied, idle logs included', () => {
    const idle = copy('L4', { header: { ...copy('L4').header, firstLsn: lsnAt('L4', 'last') } });
    expect(nextLog(positionAfter(copy('L4')), [...copies('L1', 'L4'), idle])).toEqual({ kind: 'END' });
    expect(nextLog(positionAfter(copy('L4')), [])).toEqual({ kind: 'END' });
  });

  it('names the nearest of the later logs', () => {
    const next = nextLog(positionAfter(copy('F1')), copies('L4', 'L2', 'L3'));
    expect(next).toEqual({
      kind: 'GAP',
      gap: { fromLsn: lsnAt('F1', 'last'), toLsn: lsnAt('L2', 'first'), why: 'MISSING' },
    });
  });
});

describe('recovery paths', () => {
  it('refuses a log whose first fork is not the position’s', () => {
    expect(applicability(onFork('L1', otherFork), positionAfter(copy('F1')))).toBe('OTHER_FORK');
    expect(logsFrom(positionAfter(copy('F1')), [onFork('L1', otherFork)]).gap?.why).toBe('OTHER_FORK');
  });

  it('compares GUIDs without letter case and does not compare what was not observed', () => {
    expect(
      applicability(onFork('L1', 'ABCDEF00-0000-4000-8000-000000000000'), {
        ...positionAfter(copy('F1')),
        forkGuid: 'abcdef00-0000-4000-8000-000000000000',
      }),
    ).toBe('APPLIES');
    expect(applicability(onFork('L1', otherFork), { lsn: lsnAt('F1', 'last'), forkGuid: null })).toBe('APPLIES');
  });

  it('follows a log across the fork point, but not from beyond it', () => {
    const across = copy('L2', {
      header: { ...copy('L2').header, lastForkGuid: otherFork, forkPointLsn: lsnAt('C1', 'first') },
    });
    expect(logsFrom(positionAfter(copy('F1')), [copy('L1'), across, onFork('L3', otherFork)]).files).toHaveLength(3);
    expect(applicability(across, positionAfter(copy('C1')))).toBe('OTHER_FORK');
    expect([forkAt(across, lsnAt('L2', 'first')), forkAt(across, lsnAt('C1', 'first'))]).toEqual([fork, otherFork]);
  });

  it('goes back from an abandoned log to the one that leads to the point', () => {
    const abandoned = copy('L2', { header: { ...copy('L2').header, lastLsn: lsnAt('C1', 'last') } });
    const across = copy('L2', {
      header: { ...copy('L2').header, lastForkGuid: otherFork, forkPointLsn: lsnAt('L2', 'first') },
    });
    const logs = [copy('L1'), abandoned, across, onFork('L3', otherFork), onFork('L4', otherFork)];
    const chain = chainFrom(copy('F1'), logs, { lsn: markLsn, forkGuid: otherFork });
    expect(chain.gap).toBeNull();
    expect(chain.files).toEqual([copy('F1'), copy('L1'), across, logs[3], logs[4]]);
  });

  it('does not take a log for the holder of a point of another path', () => {
    expect(holds(copy('L4'), toMark)).toBe(true);
    expect(holds(copy('L4'), { lsn: markLsn, forkGuid: otherFork })).toBe(false);
    const chain = chainFrom(copy('F2'), copies('L4'), { lsn: markLsn, forkGuid: otherFork });
    expect(chain.gap).toEqual({ fromLsn: lsnAt('L4', 'last'), toLsn: null, why: 'OTHER_FORK' });
  });
});

it('keeps logs of another family out of a chain', () => {
  const foreign = copy('L1', { header: { ...copy('L1').header, familyGuid: 'other' } });
  expect(chainFrom(copy('F1'), [foreign], toMark)).toMatchObject({ files: [copy('F1')], gap: { why: 'MISSING' } });
});

it('stands at the end of a file after it was applied whole', () => {
  expect(positionAfter(copy('F1'))).toEqual(at('37000000032800001'));
});
