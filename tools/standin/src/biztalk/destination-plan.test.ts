import { describe, expect, it } from '@jest/globals';
import { nextWork, repairs, setOfMark, type BackupSet, type Reading } from './destination-plan.ts';

const usual: Reading = { trailingSets: 1, partialFullBreaks: false, notesPassedFulls: true };

/** `F1 L2 l3`: complete sets in capitals, partial ones in small letters; each has the files of A and B. `*`: restored. `+C`: of C too. */
function sets(text: string): readonly BackupSet[] {
  return text.split(' ').map(word => {
    const [, letter = '', id = '', star = '', added = ''] = /^([FLfl])(\d+)(\*?)(\+\w)?$/.exec(word) ?? [];
    const kind = letter.toUpperCase() === 'F' ? 'full' : 'log';
    const names = ['A', 'B', ...(added === '' ? [] : [added.slice(1)])];
    const files = names.map(database => ({
      backupId: BigInt(id),
      server: 'S',
      database,
      fileName: word,
      fileLocation: '',
      mark: null,
      restored: star === '*',
    }));
    return { id: BigInt(id), kind, complete: letter === letter.toUpperCase(), files };
  });
}

/** `L2`, `F1 over` (every database begins anew), `F5:C-AB` (C is restored, A and B are only noted). */
function shown(work: ReturnType<typeof nextWork>): string {
  if (work === undefined) return 'nothing';
  const name = `${work.set.kind === 'full' ? 'F' : 'L'}${work.set.id}`;
  if (work.startOver) return `${name} over`;
  const list = (files: readonly { readonly database: string }[]): string => files.map(each => each.database).join('');
  return work.set.kind === 'log'
    ? name
    : `${name}:${list(work.files)}-${list(work.passed)}${work.movesPointer ? '' : ' stays'}`;
}

/** History, last restored set, what is next. Rules S1–S7 of biztalk-dr.md §3.6. */
const table: readonly (readonly [string, bigint | undefined, string, string])[] = [
  ['F1', undefined, 'nothing', 'a full waits for a log set (S2)'],
  ['F1 L2', undefined, 'F1 over', 'first configured (S4)'],
  ['F1 L2 F3 L4', undefined, 'F3 over', 'the most recent full that has a later log set (§3.8)'],
  ['F1 L2 F3', undefined, 'F1 over', 'not the one without'],
  ['F1 L2 f3 L4', undefined, 'F1 over', 'not a partial one (S5)'],
  ['F1* L2', 1n, 'nothing', 'the newest log set is never restored by itself (S2, S3)'],
  ['F1* L2 L3', 1n, 'L2', 'one that is followed is'],
  ['F1* L2* L3 l4', 2n, 'nothing', 'a partial set does not count as the later one'],
  ['F1* L2* L3 l4 L5', 2n, 'L3', 'one behind it does'],
  ['F1* L2* L7 L9', 2n, 'L7', 'gaps in ids are normal'],
  ['F1* L2* F3 L4', 2n, 'F3:-AB', 'a full that is not needed is passed over (S4)'],
  ['F1* L2* F3', 2n, 'nothing', 'once a log set follows'],
  ['F1* L2* l3 L4 L5', 2n, 'nothing', 'after a partial log set nothing until a full (S5)'],
  ['F1* L2* l3 L4 F5 L6', 2n, 'F5 over', 'which repairs it'],
  ['F1* L2* l3 L4 F5', 2n, 'nothing', 'once a log set follows'],
  ['F1* L2* f3 L4 L5', 2n, 'L4', 'a partial full only loses a base (§9 row 16)'],
  ['F1* L2* F3+C L4+C L5+C', 2n, 'F3:C-AB', 'a database that was added begins with its full (S4)'],
  ['F1* L2* F3*+C L4+C L5+C', 3n, 'L4', 'and goes on with the others'],
];

describe('the next set', () => {
  it.each(table)('%s with %s restored: %s (%s)', (history, pointer, expected) => {
    expect(shown(nextWork(sets(history), pointer, usual))).toBe(expected);
  });

  it('follows the other readings', () => {
    const two = { ...usual, trailingSets: 2 };
    expect(shown(nextWork(sets('F1* L2 L3'), 1n, two))).toBe('nothing');
    expect(shown(nextWork(sets('F1* L2 L3 L4'), 1n, two))).toBe('L2');
    expect(shown(nextWork(sets('F1 L2'), undefined, two))).toBe('nothing');
    const silent = { ...usual, notesPassedFulls: false };
    expect(shown(nextWork(sets('F1* L2* F3 L4 L5'), 2n, silent))).toBe('L4');
    expect(shown(nextWork(sets('F1* L2* F3+C L4+C L5+C'), 2n, silent))).toBe('F3:C- stays');
    const strict = { ...usual, partialFullBreaks: true };
    expect(shown(nextWork(sets('F1* L2* f3 L4 L5'), 2n, strict))).toBe('nothing');
    expect(shown(nextWork(sets('F1* L2* f3 L4 F5 L6'), 2n, strict))).toBe('F5 over');
  });
});

describe('what comes after a failure', () => {
  it('is the next valid full, then later ones; none is none', () => {
    const ids = (history: string, failed: bigint): readonly bigint[] =>
      repairs(sets(history), failed, usual).map(({ set }) => set.id);
    expect(ids('F1* L2* L3 L4', 3n)).toEqual([]);
    expect(ids('F1* L2* L3 L4 F5', 3n)).toEqual([]);
    expect(ids('F1* L2* L3 L4 F5 L6', 3n)).toEqual([5n]);
    expect(ids('F1* L2* L3 f4 F5 L6 F7 L8 F9', 3n)).toEqual([5n, 7n]);
  });
});

describe('the mark', () => {
  it('is that of the newest complete log set, or of the one before it', () => {
    const history = sets('F1* L2* L3 l4 F5');
    expect(setOfMark(history, usual)?.id).toBe(3n);
    expect(setOfMark(history, { ...usual, trailingSets: 2 })?.id).toBe(2n);
    expect(setOfMark(sets('F1'), usual)).toBeUndefined();
  });
});
