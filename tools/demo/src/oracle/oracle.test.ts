import { describe, expect, it } from '@jest/globals';
import { cutAt, databases, recover, simulate, type Simulation } from '../../test/simulated-history.ts';
import type { History, RecoveredDatabase, Transaction } from './history.ts';
import { judge } from './oracle.ts';

const seeds = Array.from({ length: 200 }, (_, seed) => seed);
const mark = 'BTS_2';

function rules(history: History): string[] {
  return [...new Set(judge(history).findings.map(({ rule }) => rule))].toSorted();
}

/** The ids that a recovery to the mark brings back whole. */
function idsAt(simulation: Simulation): Set<string> {
  return new Set(recover(simulation, mark).recovered.flatMap(({ ids }) => [...ids]));
}

function changed(history: History, name: string, change: (database: RecoveredDatabase) => RecoveredDatabase): History {
  return { ...history, recovered: history.recovered.map(each => (each.name === name ? change(each) : each)) };
}

function without(history: History, { id, databases: written }: Transaction): History {
  return written.reduce(
    (left, name) =>
      changed(left, name, each => ({ ...each, ids: new Set([...each.ids].filter(other => other !== id)) })),
    history,
  );
}

describe('judge', () => {
  it.each(['BTS_1', 'BTS_2', 'BTS_3'])('verifies what a recovery to %s leaves, whatever happened before', target => {
    for (const seed of seeds) {
      const verdict = judge(recover(simulate({ seed }), target));
      expect({ seed, findings: verdict.findings }).toEqual({ seed, findings: [] });
      expect(verdict).toMatchObject({ verified: true, torn: 0, missing: 0, extra: 0, databasesAtMark: 4 });
      expect(verdict.bounded.before).toBeGreaterThan(20);
      expect(verdict.bounded.after).toBeGreaterThan(20);
    }
  });

  it('counts what it checked', () => {
    const simulation = simulate({ seed: 1 });
    expect(judge(recover(simulation, mark)).checked).toBe(simulation.transactions.length);
  });

  it('names a finding of each rule that is broken, and only those', () => {
    const history = recover(simulate({ seed: 1 }), mark);
    expect(rules({ ...history, totalBalance: history.totalBalance + 1n })).toEqual(['sum']);
    const other = changed(history, 'Billing', each => ({ ...each, marks: [...each.marks, 'BTS_2x'] }));
    expect(rules(other)).toEqual(['mark']);
    // No round ever showed this one, so all that was acknowledged should be there.
    expect(rules({ ...history, mark: 'BTS_9' })).toEqual(['evidence', 'mark', 'marked']);
  });

  it('is not content with nothing', () => {
    const nothing: History = {
      transactions: [],
      rounds: [],
      places: new Map(),
      recovered: [],
      mark,
      totalBalance: 0n,
    };
    expect(judge(nothing).verified).toBe(false);
    expect(rules(nothing)).toEqual(['evidence']);
  });

  it('is not content without a round that proves anything', () => {
    const history = recover(simulate({ seed: 1 }), mark);
    expect(rules({ ...history, rounds: [] })).toEqual(['evidence']);
    const blind = history.rounds.map(round => ({ ...round, marks: new Map([...round.marks].slice(1)) }));
    expect(rules({ ...history, rounds: blind })).toEqual(['evidence']);
  });

  it('is not content when a database was not read', () => {
    const history = recover(simulate({ seed: 1 }), mark);
    const { findings } = judge({ ...history, recovered: history.recovered.slice(1) });
    expect(findings).toContainEqual({ rule: 'evidence', message: 'BizTalkMgmtDb was not read after the failover' });
  });

  it('is not content when a database took no part across instances between two marks', () => {
    const history = recover(simulate({ seed: 1 }), mark);
    const single = (name: string, { databases: written }: Transaction): boolean =>
      written.includes(name) && written.length > 1;
    const transactions = history.transactions.filter(transaction => !single('Orders', transaction));
    expect(judge({ ...history, transactions }).findings).toContainEqual({
      rule: 'evidence',
      message: 'between marks BTS_1 and BTS_2 no transaction across instances is known to have written Orders',
    });
    // What happened after the mark is nobody's business.
    const other = recover(simulate({ seed: 1 }), 'BTS_1');
    expect(rules({ ...other, transactions: other.transactions.filter(each => !single('Orders', each)) })).toEqual([
      'atomic',
    ]);
  });

  it('sees an id that nobody wrote', () => {
    const history = changed(recover(simulate({ seed: 1 }), mark), 'Orders', each => ({
      ...each,
      ids: new Set([...each.ids, '99-1']),
    }));
    expect(judge(history)).toMatchObject({ verified: false, extra: 1 });
    expect(judge(history).findings[0]?.message).toContain('Orders holds 99-1');
  });
});

// Each of these is a way in which a failover goes wrong. An oracle that lets one pass proves nothing.
describe('negative controls', () => {
  it('a mark without the stall tears a transaction', () => {
    let caught = 0;
    for (const seed of seeds) {
      // Work goes on between the commits of the mark on the two instances.
      const history = recover(simulate({ seed, stepsWithinMark: 60 }), mark);
      const verdict = judge(history);
      const [instanceA, instanceB] = [databases.slice(0, 2), databases.slice(2)];
      const straddles = history.transactions.some(({ id, databases: written }) => {
        const inside = written.filter(name => history.recovered.find(each => each.name === name)?.ids.has(id));
        return (
          inside.length === 1 &&
          written.length === 2 &&
          instanceA.some(name => written.includes(name)) &&
          instanceB.some(name => written.includes(name))
        );
      });
      expect({ seed, torn: verdict.torn > 0 }).toEqual({ seed, torn: straddles });
      if (!straddles) continue;
      caught += 1;
      expect(verdict.verified).toBe(false);
      expect(verdict.findings.find(({ rule }) => rule === 'atomic')?.message).toMatch(
        /^transaction \d+-\d+ is torn: in /,
      );
    }
    expect(caught).toBeGreaterThan(seeds.length / 2);
  });

  it('one database at the previous mark', () => {
    for (const seed of seeds) {
      const simulation = simulate({ seed });
      const verdict = judge(recover(simulation, mark, { Orders: cutAt(simulation, 'Orders', 'BTS_1') }));
      expect(verdict).toMatchObject({ verified: false, databasesAtMark: 3 });
      expect(verdict.findings).toContainEqual({
        rule: 'mark',
        message: `MarkLog of Orders ends with BTS_1, not with ${mark}`,
      });
      expect(verdict.torn + verdict.missing).toBeGreaterThan(0);
    }
  });

  it('one database rolled to the end of its file', () => {
    for (const seed of seeds) {
      const simulation = simulate({ seed });
      // A log file holds its mark and what came after it, up to the next backup, but not yet the next mark.
      const end = cutAt(simulation, 'Orders', 'BTS_3') - 1;
      const verdict = judge(recover(simulation, mark, { Orders: end }));
      expect(verdict.verified).toBe(false);
      expect(verdict.torn).toBeGreaterThan(0);
      expect(verdict.findings[0]?.message).toMatch(/ is torn: in .*, not in /);
    }
  });

  it('one acknowledged transaction dropped', () => {
    let dropped = 0;
    for (const seed of seeds) {
      const simulation = simulate({ seed });
      const there = idsAt(simulation);
      const candidates = simulation.transactions.filter(
        ({ outcome, id, connection, sequence }) =>
          outcome === 'acknowledged' &&
          there.has(id) &&
          simulation.transactions.some(
            later => later.connection === connection && later.sequence > sequence && there.has(later.id),
          ),
      );
      const victim = candidates[seed % candidates.length];
      if (victim === undefined) continue;
      dropped += 1;
      const verdict = judge(without(recover(simulation, mark), victim));
      expect(verdict).toMatchObject({ verified: false, torn: 0, missing: 1 });
      expect(verdict.findings.some(({ message }) => message.includes(` ${victim.id} was acknowledged before`))).toBe(
        true,
      );
    }
    expect(dropped).toBe(seeds.length);
  });

  it('the last acknowledged transaction before the mark dropped, which no order shows', () => {
    const history = recover(simulate({ seed: 5 }), mark);
    const bound =
      history.rounds.findLast(({ marks }) => [...marks.values()].every(seen => !seen.has(mark)))?.began ?? 0;
    const last = history.transactions
      .filter(({ outcome, ended }) => outcome === 'acknowledged' && ended < bound)
      .toSorted((a, b) => a.ended - b.ended)
      .at(-1);
    if (last === undefined) throw new Error('the history has no such transaction');
    const cut = history.transactions
      .filter(({ connection, sequence }) => connection === last.connection && sequence >= last.sequence)
      .reduce(without, history);
    expect(judge(cut).findings).toContainEqual({
      rule: 'marked',
      message: expect.stringContaining(`transaction ${last.id} was acknowledged before mark ${mark} was anywhere`),
    });
  });

  it('one refused transaction present', () => {
    for (const seed of seeds) {
      const history = recover(simulate({ seed }), mark);
      const refused = history.transactions.find(({ outcome }) => outcome === 'refused');
      if (refused === undefined) throw new Error('the history has no refused transaction');
      const present = refused.databases.reduce(
        (left, name) => changed(left, name, each => ({ ...each, ids: new Set([...each.ids, refused.id]) })),
        history,
      );
      expect(judge(present)).toMatchObject({ verified: false, extra: 1 });
      expect(judge(present).findings).toContainEqual({
        rule: 'refused',
        message: `transaction ${refused.id} was refused and is in ${refused.databases.join(', ')}`,
      });
    }
  });

  it('a transaction from after the mark present', () => {
    const history = recover(simulate({ seed: 3 }), mark);
    const late = history.transactions.findLast(({ outcome }) => outcome === 'acknowledged');
    if (late === undefined) throw new Error('the history has no acknowledged transaction');
    const present = late.databases.reduce(
      (left, name) => changed(left, name, each => ({ ...each, ids: new Set([...each.ids, late.id]) })),
      history,
    );
    expect(judge(present).findings).toContainEqual({
      rule: 'marked',
      message: expect.stringContaining(`transaction ${late.id} began when mark ${mark} was everywhere`),
    });
  });

  it('an amount that arrived without having left', () => {
    const history = changed(recover(simulate({ seed: 4 }), mark), 'Billing', each => ({
      ...each,
      balance: each.balance + 5n,
    }));
    expect(judge(history)).toMatchObject({ verified: false });
    expect(judge(history).findings[0]?.message).toMatch(/^balances add up to 4005, not to 4000: BizTalkMgmtDb /);
  });
});
