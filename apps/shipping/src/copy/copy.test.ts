import { requireLsn } from '@holdfast/domain';
import { describe, expect, it } from '@jest/globals';
import { copiesOf, databases, full, known, log, type SetPayload } from '../../test/estate.ts';
import { shippingReason } from '../standby/reason.ts';
import { type Copy, headerDifference, nextCopy } from './copy.ts';

const { databaseId } = databases[0]!;
const nowMs = 1_000_000;

function order(sets: readonly SetPayload[], have: readonly Copy[] = [], positionLsn: number | null = null): string[] {
  const copies = [...have];
  const taken: string[] = [];
  for (;;) {
    const lsn = positionLsn === null ? null : requireLsn(String(positionLsn));
    const step = nextCopy({ databaseId, sets: sets.map(known), copies, positionLsn: lsn, nowMs });
    if (step === undefined) return taken;
    const of = sets.find(({ setId }) => setId === step.file.setId)!;
    taken.push(`${step.kind} ${of.number}`);
    copies.push(...copiesOf(of));
  }
}

describe('the order of copies', () => {
  it('is that of the sets from the newest usable full on, then backwards', () => {
    const sets = [full(1, 20), log(2), full(25, 35), log(3), log(4), full(45, 55)];
    expect(order(sets)).toEqual(['COPY 25', 'COPY 30', 'COPY 40', 'COPY 45', 'COPY 20', 'COPY 1']);
  });

  it('puts logs the standby has not applied before everything older', () => {
    const sets = [full(1, 20), log(2), log(3), full(35, 45), log(4), log(5)];
    const copied = copiesOf(full(1, 20), log(2));
    expect(order(sets, copied, 30)).toEqual(['COPY 30', 'COPY 35', 'COPY 40', 'COPY 50']);
  });

  it('leaves out what is lost, not whole yet or void', () => {
    const lost = log(2, { files: log(2).files.map(file => ({ ...file, state: 'MISSING' as const })) });
    expect(order([full(), lost, log(3, { state: 'RUNNING' }), log(4, { state: 'VOID' })])).toEqual(['COPY 1']);
  });
});

describe('a copy', () => {
  const copy = copiesOf(full())[0]!;
  const step = (have: Copy) =>
    nextCopy({ databaseId, sets: [known(full())], copies: [have], positionLsn: null, nowMs });

  it('is verified when it is written, and is then done', () => {
    expect(step({ ...copy, state: 'WRITTEN' })).toMatchObject({ kind: 'VERIFY' });
    expect(step(copy)).toBeUndefined();
  });

  it('is made again when the source has another backup under the file', () => {
    expect(step({ ...copy, backupSetUuid: log(2).setId })).toMatchObject({ kind: 'COPY' });
  });

  it('that failed waits for its time', () => {
    const reason = shippingReason('COPY_FAILED', { database: 'x', path: 'y', error: 'z' });
    const failed = (retryAtMs: number): Copy => ({
      ...copy,
      state: 'WRITING',
      problem: { reason, attempts: 1, retryAtMs },
    });
    expect(step(failed(nowMs + 1))).toBeUndefined();
    expect(step(failed(nowMs))).toMatchObject({ kind: 'COPY' });
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
