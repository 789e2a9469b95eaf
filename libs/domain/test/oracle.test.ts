import assert from 'node:assert/strict';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { BackupFileId, DatabaseId } from '../src/ids.ts';
import { releasable } from '../src/hold-back.ts';
import { requireLsn, type Lsn } from '../src/lsn.ts';
import { requireMarkName } from '../src/mark.ts';
import { planRestore, type CopiedFile, type PlanDatabase, type RestoreStep } from '../src/restore-plan.ts';
import { chooseTarget, type TargetCandidate } from '../src/target.ts';
import { histories, type History, type OracleMark } from './history.ts';
import { applyFull, applyLog, canReach, type OracleFile, type Restored } from './oracle.ts';

// What is compared here is the product's choice with the oracle's exhaustive search; only this file knows both.
// fast-check prints seed and path of a failing history. Within one it is assert that compares, millions of times: expect is much dearer.
const runs = { numRuns: 2_000 };

const idOf = (database: number) => `database-${String(database)}` as DatabaseId;
const lsnOf = (lsn: bigint): Lsn => requireLsn(String(lsn));

function copyOf(file: OracleFile, verified: boolean): CopiedFile {
  return {
    fileId: String(file.id) as BackupFileId,
    type: file.kind,
    path: `F:\\Standby\\${String(file.id)}.bak`,
    position: 1,
    verified,
    header: {
      backupSetUuid: String(file.id),
      familyGuid: 'family',
      firstForkGuid: `fork-${String(file.firstFork)}`,
      lastForkGuid: `fork-${String(file.lastFork)}`,
      forkPointLsn: file.forkPoint === null ? null : lsnOf(file.forkPoint),
      firstLsn: lsnOf(file.first),
      lastLsn: lsnOf(file.last),
    },
  };
}

function databaseOf(history: History, database: number, at: Restored | null, arrived: number): PlanDatabase {
  const files = history.files.filter(
    file => file.database === database && file.id < arrived && !history.lost.has(file.id),
  );
  return {
    databaseId: idOf(database),
    databaseName: `D${String(database)}`,
    position: at === null ? null : { lsn: lsnOf(at.position), forkGuid: `fork-${String(at.fork)}` },
    copies: files.map(file => copyOf(file, !history.unverified.has(file.id))),
  };
}

/** The files the oracle may use; a full that ends after the mark serves no restore to it (sqlserver.md §0 item 11). */
function usable(history: History, database: number, markLsn: bigint, arrived: number): readonly OracleFile[] {
  return history.files.filter(
    ({ id, ...file }) =>
      file.database === database &&
      id < arrived &&
      !history.lost.has(id) &&
      !history.unverified.has(id) &&
      (file.kind === 'LOG' || file.last <= markLsn),
  );
}

function oracleReaches(
  history: History,
  database: number,
  at: Restored | null,
  mark: OracleMark,
  arrived: number,
): boolean {
  const lsn = mark.lsn.get(database);
  if (lsn === undefined || !mark.proven.has(database)) return false;
  return canReach(at, usable(history, database, lsn, arrived), { name: mark.name, lsn });
}

function candidatesOf(marks: readonly OracleMark[]): TargetCandidate[] {
  return marks.toReversed().map(mark => ({
    mark: requireMarkName(mark.name),
    markedAt: null,
    forkByDatabase: new Map([...mark.fork].map(([database, fork]) => [idOf(database), `fork-${String(fork)}`])),
    lsnByDatabase: new Map([...mark.proven].map(database => [idOf(database), lsnOf(mark.lsn.get(database)!)])),
  }));
}

function run(step: RestoreStep, at: Restored | null, history: History): Restored {
  const file = history.files[Number(step.file.fileId)]!;
  if (step.kind === 'RESTORE_FULL') return applyFull(file);
  const applied = applyLog(at!, file, step.kind === 'RESTORE_LOG_TO_MARK' ? step.mark : null);
  if (applied === 'REFUSED') throw new Error(`the server refuses ${step.kind} of file ${String(file.id)}`);
  if (applied.stopped !== (step.kind === 'RESTORE_LOG_TO_MARK')) throw new Error('4329: the mark was not in the file');
  return applied.after;
}

/** Somewhere a standby may stand: a full and some logs, the last of them perhaps only up to a mark. */
function wander(history: History, database: number, choices: readonly number[]): Restored | null {
  const files = history.files.filter(file => file.database === database);
  const fulls = files.filter(file => file.kind === 'FULL');
  const [first = 0, ...rest] = choices;
  let at = first % 4 === 0 ? null : applyFull(fulls[first % fulls.length]!);
  for (const choice of rest) {
    const logs = files.filter(file => file.kind === 'LOG');
    const log = logs[choice % Math.max(logs.length, 1)];
    if (at === null || log === undefined) break;
    const marks = log.entries.flatMap(entry => (entry.mark === null ? [] : [entry.mark]));
    const applied = applyLog(at, log, choice % 3 === 0 ? (marks[0] ?? null) : null);
    if (applied !== 'REFUSED') at = applied.after;
  }
  return at;
}

const choices = fc.array(fc.nat(59), { minLength: 3, maxLength: 12 });
const standbys = fc.tuple(choices, choices, choices);

describe('planRestore against the oracle', () => {
  it('finds a way exactly when there is one, and the way ends at the mark', () => {
    let [reached, obstructed] = [0, 0];
    fc.assert(
      fc.property(histories(15), standbys, (history, wandered) => {
        const all = history.files.length;
        for (let database = 0; database < history.databases; database += 1) {
          const start = wander(history, database, wandered[database]!);
          for (const mark of history.marks) {
            const [target] = candidatesOf([mark]);
            const [plan] = planRestore({ target: target!, databases: [databaseOf(history, database, start, all)] });
            const possible = oracleReaches(history, database, start, mark, all);
            assert.equal(plan!.outcome !== 'OBSTRUCTED', possible, `whether ${mark.name} can be reached`);
            if (plan!.outcome === 'OBSTRUCTED') obstructed += 1;
            if (plan!.outcome !== 'STEPS') continue;
            reached += 1;
            let at = start;
            for (const step of plan!.steps) {
              at = run(step, at, history);
              assert.equal(step.reaches, String(at.position));
            }
            assert.equal(at!.entries.at(-1)?.mark, mark.name);
            assert.equal(at!.position, mark.lsn.get(database)! + 1n);
          }
        }
      }),
      runs,
    );
    // Histories in which nothing or everything can be reached would compare nothing.
    expect(Math.min(reached, obstructed)).toBeGreaterThan(1_000);
  });

  it('names PAST_MARK for positions beyond the mark, and only for these', () => {
    fc.assert(
      fc.property(histories(15), standbys, (history, wandered) => {
        for (let database = 0; database < history.databases; database += 1) {
          const start = wander(history, database, wandered[database]!);
          for (const mark of history.marks.filter(({ proven }) => proven.has(database))) {
            const [target] = candidatesOf([mark]);
            const [plan] = planRestore({
              target: target!,
              databases: [databaseOf(history, database, start, history.files.length)],
            });
            const past = start !== null && start.position > mark.lsn.get(database)! + 1n;
            assert.equal(plan!.outcome === 'OBSTRUCTED' && plan!.obstacle.kind === 'PAST_MARK', past);
          }
        }
      }),
      runs,
    );
  });
});

describe('chooseTarget against the oracle', () => {
  it('takes the newest mark that every database can reach', () => {
    const chosen = new Map<string, number>();
    fc.assert(
      fc.property(histories(6), standbys, (history, wandered) => {
        const all = history.files.length;
        const starts = Array.from({ length: history.databases }, (_, database) =>
          wander(history, database, wandered[database]!),
        );
        const best = history.marks.findLast(mark =>
          starts.every((at, database) => oracleReaches(history, database, at, mark, all)),
        );
        const databases = starts.map((at, database) => databaseOf(history, database, at, all));
        const choice = chooseTarget(candidatesOf(history.marks), databases);
        assert.equal(choice.kind === 'CHOSEN' ? choice.target.mark : undefined, best?.name);
        chosen.set(choice.kind, (chosen.get(choice.kind) ?? 0) + 1);
        const newer = history.marks.slice(best === undefined ? 0 : history.marks.indexOf(best) + 1);
        assert.deepEqual(
          choice.passedOver.map(({ mark }) => String(mark)),
          newer.toReversed().map(({ name }) => name),
        );
        assert(choice.passedOver.every(({ obstructed }) => obstructed.length > 0));
      }),
      runs,
    );
    expect(Math.min(chosen.get('CHOSEN') ?? 0, chosen.get('REFUSED') ?? 0)).toBeGreaterThan(200);
  });
});

describe('releasable against the oracle', () => {
  it.each([false, true])(
    'never gives up the newest common mark, and rolls everything it may; restAtMark %s',
    restAtMark => {
      const seen = { steps: 0, held: 0, stopped: 0 };
      fc.assert(
        fc.property(histories(6), history => {
          keepReady(history, restAtMark, seen);
        }),
        runs,
      );
      expect(Math.min(seen.steps, seen.held)).toBeGreaterThan(1_000);
      expect(seen.stopped > 1_000).toBe(restAtMark);
    },
  );

  it('keeps the same marks in reach whether it rests at them or before their logs', () => {
    fc.assert(
      fc.property(histories(6), history => {
        expect(keepReady(history, true)).toEqual(keepReady(history, false));
      }),
      { numRuns: 300 },
    );
  });
});

/** Files arrive one after the other, and the standby works off what it may after each. The floor after each file. */
function keepReady(
  history: History,
  restAtMark: boolean,
  seen = { steps: 0, held: 0, stopped: 0 },
): readonly (string | null)[] {
  const at: (Restored | null)[] = Array.from({ length: history.databases }, () => null);
  const newestReachable = (arrived: number) =>
    history.marks.findLast(mark =>
      at.every((restored, database) => oracleReaches(history, database, restored, mark, arrived)),
    );
  const floors: (string | null)[] = [];
  let floorSoFar = -1;
  for (let arrived = 1; arrived <= history.files.length; arrived += 1) {
    for (;;) {
      const databases = at.map((restored, database) => databaseOf(history, database, restored, arrived));
      const release = releasable(candidatesOf(history.marks), databases, { restAtMark });
      const reachable = newestReachable(arrived);
      const index = reachable === undefined ? -1 : history.marks.indexOf(reachable);
      assert.equal(release.floor ?? undefined, reachable?.name);
      // Whatever was sent before has not taken away a mark that could be reached then.
      assert(index >= floorSoFar, `mark ${String(index)} after ${String(floorSoFar)}`);
      floorSoFar = index;

      const next = release.databases.findIndex(database => database.kind === 'APPLY');
      const apply = release.databases[next];
      if (apply?.kind !== 'APPLY') {
        floors.push(release.floor);
        seen.held += release.databases.filter(({ kind }) => kind === 'WAIT').length;
        if (reachable === undefined) break;
        at.forEach((restored, database) => {
          if (restAtMark && restored?.position === reachable.lsn.get(database)! + 1n) return;
          assertNextHoldsMark(history, database, restored, reachable, arrived);
          if (restAtMark) assert(changesPath(history, database, restored!, reachable, arrived));
        });
        break;
      }
      at[next] = run(apply.step, at[next] ?? null, history);
      seen.steps += 1;
      const stops = apply.step.kind === 'RESTORE_LOG_TO_MARK';
      assert(!stops || restAtMark);
      if (stops) seen.stopped += 1;
      const markLsn = reachable!.lsn.get(next)!;
      if (stops) assert.equal(at[next].position, markLsn + 1n);
      else assert(at[next].position <= markLsn, `${String(at[next].position)} is past ${String(markLsn)}`);
    }
  }
  return floors;
}

/** A log that would stop at the mark is on another recovery path at its end than at its start. */
function changesPath(history: History, database: number, at: Restored, mark: OracleMark, arrived: number): boolean {
  return usable(history, database, mark.lsn.get(database)!, arrived).some(file => {
    const applied = file.kind === 'LOG' ? applyLog(at, file, mark.name) : 'REFUSED';
    return applied !== 'REFUSED' && applied.stopped && file.firstFork !== file.lastFork;
  });
}

/** Waiting is right only where the very next file would carry the database past the floor mark. */
function assertNextHoldsMark(
  history: History,
  database: number,
  at: Restored | null,
  mark: OracleMark,
  arrived: number,
): void {
  const lsn = mark.lsn.get(database)!;
  const files = usable(history, database, lsn, arrived).filter(file => file.kind === 'LOG');
  assert(at !== null);
  const further = files.filter(file => {
    const applied = applyLog(at, file, null);
    if (applied === 'REFUSED' || applied.after.position <= at.position || applied.after.position > lsn) return false;
    return canReach(applied.after, files, { name: mark.name, lsn });
  });
  assert.deepEqual(further, []);
}
