import { describe, expect, it } from '@jest/globals';
import { brokenSetComplaints, type BrokenSetFacts } from './complaints.ts';
import type { Stop } from './offer.ts';

const [markBefore, mark] = ['BTS_2026_11_21_10_00_00_000', 'BTS_2026_11_21_10_15_00_000'];
const file = 'BTSDB2_BTS_Orders_Log_BTS_2026_11_21_10_15_00_000.bak';
const broken: BrokenSetFacts['broken'] = {
  damage: 'missing',
  database: 'Orders',
  file,
  mark,
  markBefore,
  filesBefore: new Map(),
  verdict: {
    markName: mark,
    verdict: 'BROKEN',
    reasons: [{ code: 'FILE_MISSING', message: 'It is not there.', evidence: `\\\\backup\\bts\\${file}` }],
  },
};
const known: BrokenSetFacts = {
  broken,
  databases: ['Orders', 'Billing', 'SSODB'],
  previewedMark: markBefore,
  landedAt: markBefore,
  stops: [],
  reseeded: [],
};

const stop: Stop = {
  state: 'AWAITING_OPERATOR',
  passedPointOfNoReturn: false,
  step: {
    id: '1',
    name: `Decide whether to go to the older mark ${markBefore}`,
    why: `E:\\Copies\\${file} of Orders cannot be restored (error 3203). Nothing is open yet. Past ${markBefore}: Orders, Billing. Not past it: SSODB.`,
    command: 'Restore Orders, Billing again.',
    expected: 'They are there. That takes about 5 s.',
  },
  open: [],
  past: ['Billing', 'Orders'],
};
const rotten: BrokenSetFacts = {
  ...known,
  broken: { ...broken, damage: 'rotten', verdict: undefined },
  previewedMark: mark,
  stops: [stop],
  reseeded: ['Billing', 'Orders'],
};
const saying = (text: Partial<Stop['step']>): Partial<BrokenSetFacts> => ({
  stops: [{ ...stop, step: { ...stop.step, ...text } }],
});

describe('a file that is missing or cut off', () => {
  it('is led around as it must be', () => {
    expect(brokenSetComplaints(known)).toEqual([]);
    const verdict = { ...broken.verdict!, reasons: [{ code: 'FILE_DAMAGED', message: file, evidence: null }] };
    expect(brokenSetComplaints({ ...known, broken: { ...broken, damage: 'truncated', verdict } })).toEqual([]);
  });

  it.each<[string, Partial<BrokenSetFacts>]>([
    ['it landed at', { landedAt: mark }],
    ['it landed at no mark', { landedAt: null }],
    ['the ledger does not say BROKEN', { broken: { ...broken, verdict: undefined } }],
    ['the ledger does not say BROKEN', { broken: { ...broken, verdict: { ...broken.verdict!, reasons: [] } } }],
    ['the ledger does not say BROKEN', { broken: { ...broken, file: 'another.bak' } }],
    ['FILE_DAMAGED', { broken: { ...broken, damage: 'truncated' } }],
    ['the newest mark on offer was', { previewedMark: mark }],
    ['it stopped for a person', { stops: [stop] }],
    ['Orders began again', { reseeded: ['Orders'] }],
  ])('is complained of: %s', (complaint, wrong) => {
    expect(brokenSetComplaints({ ...known, ...wrong })).toEqual([expect.stringContaining(complaint)]);
  });
});

describe('a file with rot inside', () => {
  it('is led around as it must be', () => {
    expect(brokenSetComplaints(rotten)).toEqual([]);
    const none = saying({
      why: stop.step.why.replace('Orders, Billing.', 'none.').replace('SSODB', 'SSODB, Billing, Orders'),
    });
    const nonePast = none.stops!.map(each => ({ ...each, past: [] }));
    expect(brokenSetComplaints({ ...rotten, stops: nonePast, reseeded: [] })).toEqual([]);
  });

  it.each<[string, Partial<BrokenSetFacts>]>([
    ['it landed at', { landedAt: mark }],
    ['the preview, which cannot know', { previewedMark: markBefore }],
    ['it did not stop', { stops: [] }],
    ['it stopped again', { stops: [stop, stop] }],
    ['it stopped in FENCING', { stops: [{ ...stop, state: 'FENCING' }] }],
    ['it stopped after recovery had begun: Orders', { stops: [{ ...stop, open: ['Orders'] }] }],
    ['it stopped after recovery had begun', { stops: [{ ...stop, passedPointOfNoReturn: true }] }],
    ['the stop does not name', saying({ why: stop.step.why.replace(file, 'a file') })],
    ['the stop does not say how long', saying({ expected: 'They are there.' })],
    ['the stop does not offer', saying({ name: 'Decide' })],
    ['past the older mark or not: it names Orders, Billing', saying({ why: stop.step.why.replace('SSODB', 'none') })],
    ['began again, and past', { reseeded: ['Orders'] }],
  ])('is complained of: %s', (complaint, wrong) => {
    expect(brokenSetComplaints({ ...rotten, ...wrong })).toEqual([expect.stringContaining(complaint)]);
  });

  it('is complained of when the offer calls a database past the mark that is not', () => {
    const wrong = { stops: [{ ...stop, past: ['Orders'] }], reseeded: ['Orders'] };
    expect(brokenSetComplaints({ ...rotten, ...wrong })).toEqual([
      'past the older mark are Orders; it names Orders, Billing',
    ]);
  });
});
