import { expect, it } from '@jest/globals';
import { reportOf, type RunFacts } from './report.ts';

const mark = 'BTS_2026_11_21_10_00_00_000';
const verdict: RunFacts['verdict'] = {
  verified: true,
  checked: 10,
  torn: 0,
  missing: 0,
  extra: 0,
  databasesAtMark: 2,
  bounded: { before: 5, after: 5 },
  findings: [],
};
const facts: RunFacts = {
  seed: 1,
  places: new Map([
    ['A', 'one'],
    ['B', 'two'],
  ]),
  standbys: 2,
  counts: { committed: 10, refused: 0, unknown: 0 },
  entries: [],
  recovered: [],
  execution: { state: 'COMPLETED', markName: mark, markedAt: null, sources: [], steps: [] },
  failoverSeconds: 1.23456,
  criticalPathSeconds: 0.5,
  verdict,
  unsupported: 0,
  unsafeRepeats: 0,
  crash: undefined,
  scenario: undefined,
  previewedMark: mark,
  complaints: [],
  mayLose: true,
  brokenSet: undefined,
  resting: undefined,
};

it('says nothing of a crash that was not', () => {
  const report = reportOf(facts);
  expect(report).toMatchObject({ verified: true, failover: { mark, seconds: 1.235 } });
  expect(report).not.toHaveProperty('crash');
  expect(report).not.toHaveProperty('scenario');
});

it('counts what was committed across instances', () => {
  const entry = (databases: string[], outcome: 'acknowledged' | 'unknown') => ({
    ...{ id: '', connection: 0, sequence: 1, began: 1, ended: 2, endedAtMs: 0 },
    databases,
    outcome,
  });
  const entries = [entry(['A', 'B'], 'acknowledged'), entry(['A'], 'acknowledged'), entry(['A', 'B'], 'unknown')];
  expect(reportOf({ ...facts, entries })).toMatchObject({
    databases: 2,
    instances: { primary: 2, standby: 2 },
    workload: { committed: 10, distributed: 1, unknown: 0 },
  });
});

it('names the scenario and its crash', () => {
  const crash = { at: 'ALIGNING, somewhere', restartSeconds: 2.00049, marksShown: [mark] };
  expect(reportOf({ ...facts, crash, scenario: 'control-plane-crash' })).toMatchObject({
    verified: true,
    scenario: 'control-plane-crash',
    crash: { at: 'ALIGNING, somewhere', restartSeconds: 2 },
  });
});

it('verifies nothing when a crash changed the mark', () => {
  const shown = (...marksShown: string[]) =>
    reportOf({ ...facts, crash: { at: '', restartSeconds: 1, marksShown } }).verified;
  expect(shown('BTS_2026_11_21_09_00_00_000', mark)).toBe(false);
  expect(shown('BTS_2026_11_21_09_00_00_000')).toBe(false);
  expect(shown()).toBe(true);
});

it.each([
  ['the oracle found something', { verdict: { ...verdict, verified: false } }],
  ['a database is elsewhere', { verdict: { ...verdict, databasesAtMark: 1 } }],
  ['a statement ran that must not run twice', { unsafeRepeats: 1 }],
  ['a statement was not understood', { unsupported: 1 }],
])('verifies nothing when %s', (_, wrong) => {
  expect(reportOf({ ...facts, ...wrong }).verified).toBe(false);
});

it('is not verified when the preview named another mark, a source is not fenced, or a planned switch lost what was acknowledged', () => {
  expect(reportOf({ ...facts, previewedMark: 'BTS_2026_11_21_09_00_00_000' })).toMatchObject({
    verified: false,
    previewMatched: false,
  });
  expect(reportOf({ ...facts, complaints: ['A at one is ONLINE, not OFFLINE'] }).verified).toBe(false);
  const lost: RunFacts['entries'][number] = {
    ...{ id: 'x', connection: 0, sequence: 1, began: 1, ended: 2, endedAtMs: 0 },
    ...{ databases: ['A'], outcome: 'acknowledged' },
  };
  expect(reportOf({ ...facts, entries: [lost] }).verified).toBe(true);
  const planned = { ...facts, previewedMark: undefined, mayLose: false };
  expect(reportOf(planned)).toMatchObject({ verified: true, previewMatched: null });
  expect(reportOf({ ...planned, entries: [lost] }).verified).toBe(false);
});

it('says how a standby at rest went into the failover', () => {
  const resting = { mark, elsewhere: ['B'], restoresInFailover: 3 };
  expect(reportOf({ ...facts, resting }).restAtMark).toEqual({ databasesAtRest: 1, restoresInFailover: 3 });
  expect(reportOf(facts)).not.toHaveProperty('restAtMark');
});

it('says what a broken set was found by', () => {
  const before = 'BTS_2026_11_21_09_00_00_000';
  const reasons = [{ code: 'FILE_MISSING', message: 'gone', evidence: 'b.bak' }];
  const verdict = { markName: mark, verdict: 'BROKEN', reasons };
  const broken = {
    ...{ database: 'B', file: 'b.bak', mark, markBefore: before, filesBefore: new Map<string, string>() },
    ...{ damage: 'missing' as const, verdict },
  };
  const landed = { ...facts, scenario: 'broken-set' as const, execution: { ...facts.execution, markName: before } };
  const missing = { ...landed, previewedMark: before, brokenSet: { broken, stops: [] } };
  expect(reportOf(missing)).toMatchObject({
    ...{ verified: true, previewMatched: true, scenario: 'broken-set' },
    brokenSet: { file: 'b.bak', kind: 'missing', verdict },
  });
  expect(reportOf({ ...missing, previewedMark: mark }).verified).toBe(false);
  const step = {
    id: '1',
    name: '',
    why: `b.bak. Past ${before}: B. Not past it: A.`,
    command: 'Restore B.',
    expected: '',
  };
  const stop = { state: 'AWAITING_OPERATOR', passedPointOfNoReturn: false, step, open: [], past: ['B'] };
  const rotten = { ...broken, damage: 'rotten' as const, verdict: undefined };
  expect(reportOf({ ...landed, brokenSet: { broken: rotten, stops: [stop] } })).toMatchObject({
    ...{ verified: true, previewMatched: false },
    brokenSet: { kind: 'rotten', offer: { mark: before, past: ['B'], notPast: ['A'], command: 'Restore B.' } },
  });
});
