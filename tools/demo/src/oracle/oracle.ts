import { type Bounds, boundsOf, coverageGaps } from './coverage.ts';
import type { History, RecoveredDatabase, Transaction } from './history.ts';

/** The rule that a finding breaks; `judge` says what each means. */
export type Rule = 'atomic' | 'prefix' | 'marked' | 'refused' | 'sum' | 'mark' | 'evidence';

export type Finding = { readonly rule: Rule; readonly message: string };

export type Verdict = {
  /** No rule is broken, and there was something to judge. */
  readonly verified: boolean;
  /** Transactions that were judged. */
  readonly checked: number;
  /** Transactions of which one database has a part and another has not. */
  readonly torn: number;
  /** Transactions that have to be there and are not (in at least one of their databases). */
  readonly missing: number;
  /** Transactions, or ids that nobody wrote, that must not be there and are. */
  readonly extra: number;
  /** Databases whose recovered `MarkLog` ends with the mark. */
  readonly databasesAtMark: number;
  /** Transactions that the rounds prove to lie before and after the mark; the rest may be on either side of it. */
  readonly bounded: { readonly before: number; readonly after: number };
  readonly findings: readonly Finding[];
};

type Presence = {
  readonly transaction: Transaction;
  readonly present: readonly string[];
  readonly absent: readonly string[];
};

/**
 * Judges a failover by what clients were told and what is in the databases now. It reads no clock and asks the product nothing but which
 * mark it claims. The rules:
 * - atomic: an id is in all databases that its transaction wrote or in none;
 * - prefix: of what one connection was acknowledged, what is there is a prefix of the order in which it was acknowledged;
 * - marked: acknowledged before a round that showed the mark nowhere ⇒ there; begun after a round that showed it everywhere ⇒ not there;
 * - refused: what the server refused is not there;
 * - sum: the balances of all databases add up to what they did before;
 * - mark: every recovered `MarkLog` ends with the mark;
 * - evidence: every database was read, a round bounds the mark, and where there is more than one instance every database took part in a
 *   transaction across them between any two marks; otherwise the other rules would hold of nothing.
 */
export function judge(history: History): Verdict {
  const presences = history.transactions.map(transaction => presenceOf(transaction, history.recovered));
  const bounds = boundsOf(history, history.mark);
  const torn = presences.filter(isTorn);
  const missing = new Set<string>();
  const extra = new Set<string>();
  const findings: Finding[] = torn.map(({ transaction, present, absent }) => ({
    rule: 'atomic',
    message: `transaction ${transaction.id} is torn: in ${list(present)}, not in ${list(absent)}`,
  }));

  for (const presence of presences) {
    const { transaction, present, absent } = presence;
    const { id, outcome } = transaction;
    if (outcome === 'refused' && present.length > 0) {
      extra.add(id);
      findings.push({ rule: 'refused', message: `transaction ${id} was refused and is in ${list(present)}` });
    }
    if (isBefore(transaction, bounds) && absent.length > 0) {
      missing.add(id);
      const message = `transaction ${id} was acknowledged before mark ${history.mark} was anywhere and is not in ${list(absent)}`;
      findings.push({ rule: 'marked', message });
    }
    if (isAfter(transaction, bounds) && present.length > 0) {
      extra.add(id);
      const message = `transaction ${id} began when mark ${history.mark} was everywhere and is in ${list(present)}`;
      findings.push({ rule: 'marked', message });
    }
  }
  for (const { id, message } of holesOf(presences)) {
    missing.add(id);
    findings.push({ rule: 'prefix', message });
  }
  for (const { id, message } of strangersIn(history)) {
    extra.add(id);
    findings.push({ rule: 'atomic', message });
  }
  findings.push(...sumFindings(history), ...markFindings(history));
  const bounded = {
    before: history.transactions.filter(transaction => isBefore(transaction, bounds)).length,
    after: history.transactions.filter(transaction => isAfter(transaction, bounds)).length,
  };
  findings.push(...evidenceFindings(history, bounded.before));
  return {
    verified: findings.length === 0,
    checked: presences.length,
    torn: torn.length,
    missing: missing.size,
    extra: extra.size,
    databasesAtMark: history.recovered.filter(database => endOf(database.marks) === history.mark).length,
    bounded,
    findings,
  };
}

/** Whether the recovered databases hold the transaction whole. */
export function isWhollyPresent(transaction: Transaction, recovered: readonly RecoveredDatabase[]): boolean {
  return presenceOf(transaction, recovered).absent.length === 0;
}

function presenceOf(transaction: Transaction, recovered: readonly RecoveredDatabase[]): Presence {
  const holds = (name: string): boolean =>
    recovered.some(database => database.name === name && database.ids.has(transaction.id));
  const present = transaction.databases.filter(holds);
  return { transaction, present, absent: transaction.databases.filter(name => !present.includes(name)) };
}

function isTorn({ present, absent }: Presence): boolean {
  return present.length > 0 && absent.length > 0;
}

function isBefore({ outcome, ended }: Transaction, bounds: Bounds): boolean {
  return outcome === 'acknowledged' && ended < bounds.before;
}

function isAfter({ began }: Transaction, bounds: Bounds): boolean {
  return began > bounds.after;
}

/** Acknowledged transactions that are not there although a later one of the same connection is. */
function holesOf(presences: readonly Presence[]): { id: string; message: string }[] {
  const byConnection = Map.groupBy(presences, ({ transaction }) => transaction.connection);
  return [...byConnection].flatMap(([connection, unordered]) => {
    const own = unordered.toSorted((a, b) => a.transaction.sequence - b.transaction.sequence);
    const last = own.findLast(({ present }) => present.length > 0)?.transaction;
    if (last === undefined) return [];
    return own
      .filter(({ transaction, present }) => {
        const { outcome, sequence } = transaction;
        return outcome === 'acknowledged' && sequence < last.sequence && present.length === 0;
      })
      .map(({ transaction: { id } }) => ({
        id,
        message: `connection ${connection}: transaction ${id} was acknowledged before ${last.id} began and is missing, ${last.id} is there`,
      }));
  });
}

/** Ids where no transaction of this run put them. */
function strangersIn({ transactions, recovered }: History): { id: string; message: string }[] {
  const writes = new Map(transactions.map(({ id, databases }) => [id, new Set(databases)]));
  return recovered.flatMap(({ name, ids }) =>
    [...ids]
      .filter(id => writes.get(id)?.has(name) !== true)
      .map(id => ({ id, message: `${name} holds ${id}, which no transaction wrote there` })),
  );
}

function sumFindings({ recovered, totalBalance }: History): Finding[] {
  const sum = recovered.reduce((total, { balance }) => total + balance, 0n);
  if (sum === totalBalance) return [];
  const parts = recovered.map(({ name, balance }) => `${name} ${balance}`).join(', ');
  return [{ rule: 'sum', message: `balances add up to ${sum}, not to ${totalBalance}: ${parts}` }];
}

function markFindings({ recovered, mark }: History): Finding[] {
  return recovered
    .filter(({ marks }) => endOf(marks) !== mark)
    .map(({ name, marks }) => ({
      rule: 'mark',
      message: `MarkLog of ${name} ends with ${endOf(marks) ?? 'nothing'}, not with ${mark}`,
    }));
}

function evidenceFindings(history: History, before: number): Finding[] {
  const { transactions, recovered, places, mark } = history;
  const unread = [...places.keys()].filter(name => !recovered.some(database => database.name === name));
  const problems = coverageGaps(history).map(
    ({ from, to, databases }) =>
      `between marks ${from} and ${to} no transaction across instances is known to have written ${list(databases)}`,
  );
  if (unread.length > 0) problems.push(`${list(unread)} was not read after the failover`);
  if (transactions.length === 0) problems.push('no transaction was recorded');
  if (recovered.length === 0) problems.push('no recovered database was read');
  if (before === 0) problems.push(`no transaction is known to lie before mark ${mark}: no round was early enough`);
  return problems.map(message => ({ rule: 'evidence', message }));
}

/** Mark names of one run have one prefix and a time of fixed width behind it, so the last one in order of text is the newest (biztalk-dr.md §2.5). */
function endOf(marks: readonly string[]): string | undefined {
  return marks.toSorted().at(-1);
}

function list(names: readonly string[]): string {
  return names.join(', ');
}
