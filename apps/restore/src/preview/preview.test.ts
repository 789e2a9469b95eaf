import { describe, expect, it } from '@jest/globals';
import type { TargetRequest } from '@holdfast/domain/target';
import { databases, estate, lsns, marks, twoPlaces } from '../../test/estate-of-two.ts';
import type { Estate, PointView } from '../estate/estate.ts';
import type { CommandTexts } from '../execution/step.ts';
import { bytesPerSecond } from '../execution/speed.ts';
import { blockersOf, type PreviewFacts, previewOf, unclaimedSets, without } from './preview.ts';

const texts: CommandTexts = {
  restore: (database, { kind, file }) => `${kind} ${database} ${file.path}`,
  recover: database => `RECOVER ${database}`,
  verify: (database, mark) => `VERIFY ${database} ${mark}`,
};
const facts: PreviewFacts = { now: '2026-11-21T04:45:00.000Z', texts, timed: [], blockers: [] };
const newest: TargetRequest = { kind: 'NEWEST' };

/** The point of `mark` as if nobody had found the mark in the second database. */
function unproven(known: Estate, mark: string): Estate {
  const forget = (point: PointView): PointView => ({
    ...point,
    databases: point.databases.map((database, index) =>
      index === 1 ? { ...database, lsn: null, markProven: false } : database,
    ),
  });
  return {
    ...known,
    points: known.points.map(point => (point.markName === mark ? forget(point) : point)),
    sets: known.sets.map(set =>
      set.markName === mark
        ? { ...set, files: set.files.map((file, index) => (index === 1 ? { ...file, markLsn: null } : file)) }
        : set,
    ),
  };
}

describe('a preview', () => {
  it('names mark, positions, statements and bytes of every database', () => {
    const preview = previewOf(estate(), newest, facts);
    expect(preview).toMatchObject({
      markName: marks[2],
      markedAt: '2026-11-21T04:30:00.000Z',
      dataLoss: { atLeastSeconds: 0, atMostSeconds: 900 },
      durationSeconds: null,
      blockers: [],
      unclaimedSets: [],
      ifReseeded: null,
    });
    expect(preview?.databases).toEqual(
      databases.map(({ id, name }, index) => ({
        databaseId: id,
        databaseName: name,
        instance: 'STANDBY',
        position: lsns(index, 1).lastLsn,
        statements: [
          `RESTORE_LOG ${name} E:\\Backup\\${name}_2.bak`,
          `RESTORE_LOG_TO_MARK ${name} E:\\Backup\\${name}_3.bak`,
          `RECOVER ${name}`,
          `VERIFY ${name} ${marks[2]!}`,
        ],
        bytes: 2048n,
      })),
    );
  });

  it.each<[string, TargetRequest, string]>([
    ['before a time', { kind: 'NEWEST_MARK_BEFORE', time: '2026-11-21T04:30:00Z' }, marks[1]!],
    ['a mark by name', { kind: 'MARK', mark: marks[1] as never }, marks[1]!],
  ])('follows a target: %s', (_name, target, mark) => {
    expect(previewOf(estate(), target, facts)).toMatchObject({
      markName: mark,
      dataLoss: { atLeastSeconds: 900, atMostSeconds: 1800 },
    });
  });

  it('is of no mark that cannot be reached', () => {
    expect(previewOf(estate(), { kind: 'MARK', mark: marks[0] as never }, facts)).toBeUndefined();
    expect(previewOf(estate({ copied: 1 }), newest, facts)).toBeUndefined();
  });

  it('begins from the full where a database has no position', () => {
    const known = estate();
    const [first, ...others] = known.streams;
    const preview = previewOf({ ...known, streams: [{ ...first!, position: null }, ...others] }, newest, facts);
    expect(preview?.databases[0]).toMatchObject({ position: null, bytes: 4096n });
    expect(preview?.databases[0]?.statements[0]).toMatch(/^RESTORE_FULL/);
  });

  it('counts only copies that were made at the standby once the share is lost', () => {
    const known = estate();
    const newestSet = known.sets[3]!.setId;
    const read = known.copies.map(copy => (copy.setId === newestSet ? { ...copy, sha256: null } : copy));
    const direct = { ...known, copies: read };
    expect(previewOf(direct, newest, facts)?.markName).toBe(marks[2]);
    for (const loss of ['BACKUP_SHARE', 'SOURCE_SITE'] as const)
      expect(previewOf(without(direct, [loss]), newest, facts)?.markName).toBe(marks[1]);
    expect(without(known, ['BACKUP_SHARE'])).toEqual(known);
  });

  it('says nothing of the loss when nobody recorded when the mark was committed', () => {
    const known = estate();
    const points = known.points.map(point => ({ ...point, markedAt: null }));
    expect(previewOf({ ...known, points }, newest, facts)).toMatchObject({ markedAt: null, dataLoss: null });
  });

  it('lists log beyond the newest proven mark as unclaimed, and no older set', () => {
    const known = unproven(estate(), marks[2]!);
    const [file1, file2] = databases.map(({ name }) => `E:\\Backup\\${name}_3.bak`);
    expect(previewOf(known, newest, facts)).toMatchObject({
      markName: marks[1],
      unclaimedSets: [
        { name: marks[2], files: [file1, file2], why: { code: 'MARK_UNPROVEN', evidence: databases[1]!.name } },
      ],
    });
    expect(unclaimedSets(unproven(estate(), marks[1]!))).toEqual([]);
    // Not at the standby: nothing to claim there.
    expect(unclaimedSets(unproven(estate({ copied: 2 }), marks[2]!))).toEqual([]);
  });

  it('lists a set that has no recovery point at all', () => {
    const known = estate();
    const points = known.points.filter(({ markName }) => markName !== marks[2]);
    expect(unclaimedSets({ ...known, points })).toMatchObject([{ name: marks[2], why: { evidence: null } }]);
  });

  it('offers a newer mark that a full at the standby would bring back', () => {
    // The first database can go on to the older mark only: its next log never came, and a newer full did.
    const known = estate();
    const [full, , second, third] = known.sets;
    const own = databases[0]!.id;
    const { header } = third!.files[0]!;
    const position = lsns(0, 3).firstLsn;
    const newFull = {
      ...full!,
      setId: full!.setId.replace('5e', '5f'),
      files: [
        {
          ...full!.files[0]!,
          fileId: full!.files[0]!.fileId.replace('e', 'b'),
          header: { ...header!, firstLsn: position, lastLsn: position, backupSetUuid: full!.setId },
        },
      ],
    };
    const gone = second!.files[0]!.fileId;
    const copy = known.copies.find(({ fileId }) => fileId === full!.files[0]!.fileId)!;
    const { fileId } = newFull.files[0]!;
    const gapped: Estate = {
      ...known,
      sets: [...known.sets, newFull],
      copies: [
        ...known.copies.filter(candidate => candidate.fileId !== gone),
        {
          ...copy,
          fileId,
          setId: newFull.setId,
          size: '5000',
          firstLsn: position,
          lastLsn: position,
          backupSetUuid: full!.setId,
        },
      ],
      // One slot past the first mark: the older mark is where both stand.
      streams: known.streams.map((stream, index) => ({
        ...stream,
        position: String(BigInt(lsns(index, 1).markLsn) + 1n),
      })),
    };
    expect(previewOf(gapped, newest, facts)).toMatchObject({
      markName: marks[0],
      ifReseeded: { markName: marks[2], markedAt: '2026-11-21T04:30:00.000Z', bytes: 6024n, durationSeconds: null },
    });
    expect(previewOf(gapped, { kind: 'MARK', mark: marks[0] as never }, facts)?.ifReseeded).toBeNull();
    expect(known.streams[0]?.databaseId).toBe(own);
  });

  it('predicts no time until one was measured, and takes the instance with most to read', () => {
    const known = estate({ shape: twoPlaces });
    const files = known.sets[1]!.files;
    const timed = [0, 1].map(index => ({
      executionId: 'x',
      instance: 'A',
      fileId: files[index]!.fileId,
      startedAt: '2026-11-20T00:00:00.000Z',
      finishedAt: `2026-11-20T00:00:0${String(index + 1)}.000Z`,
    }));
    expect(bytesPerSecond(known, [])).toBeNull();
    expect(bytesPerSecond(known, timed)).toBe(1024);
    // Seven databases on one instance, six on the other; two logs of 1024 each.
    expect(previewOf(known, newest, { ...facts, timed })?.durationSeconds).toBe(14);
  });
});

it('names what keeps a failover from beginning', () => {
  const none = { groupName: 'Orders', runningSince: null, yieldedTo: null, unaddressed: [] };
  const codes = (changes: Partial<typeof none | Parameters<typeof blockersOf>[0]>) =>
    blockersOf({ ...none, ...changes }).map(({ code }) => code);
  expect(codes({})).toEqual([]);
  expect(codes({ yieldedTo: 'x' })).toEqual(['STANDBY_YIELDED']);
  expect(codes({ yieldedTo: 'x', runningSince: facts.now, unaddressed: ['STANDBY'] })).toEqual([
    'EXECUTION_RUNNING',
    'INSTANCE_NOT_ADDRESSED',
  ]);
});
