import type { History, Outcome, RecoveredDatabase, Transaction, WatchRound } from '../src/oracle/history.ts';
import { oneOf, type Random, seededRandom, wholeBelow } from '../src/random.ts';

/**
 * Databases as lists of commits, worked on by connections step by step: what a failover to a mark leaves of them is a cut through the lists.
 * It shares nothing with the oracle but the types.
 */
export const databases = ['BizTalkMgmtDb', 'BizTalkMsgBoxDb', 'Orders', 'Billing'];
/** The first half lies on one instance, the rest on another. */
export const places = new Map(databases.map((name, index) => [name, index < 2 ? 'A' : 'B']));
export const marks = ['BTS_1', 'BTS_2', 'BTS_3'];
const opening = 1_000n;

type Entry = { readonly id: string; readonly amount: bigint } | { readonly mark: string };
type Draft = { -readonly [Key in keyof Transaction]: Transaction[Key] };

export type SimulationOptions = {
  readonly seed: number;
  /** Steps of work between a mark in the first half of the databases and the same mark in the other half. */
  readonly stepsWithinMark?: number;
};

export type Simulation = {
  readonly transactions: readonly Transaction[];
  readonly rounds: readonly WatchRound[];
  /** Per database, all that it ever committed. */
  readonly logs: ReadonlyMap<string, readonly Entry[]>;
};

export function simulate({ seed, stepsWithinMark = 0 }: SimulationOptions): Simulation {
  const world = new World(seededRandom(seed));
  for (const mark of marks) {
    world.work(150);
    world.watch();
    world.work(20);
    world.place(mark, databases.slice(0, 2));
    world.work(stepsWithinMark);
    world.place(mark, databases.slice(2));
    world.work(20);
    world.watch();
  }
  world.work(150);
  world.loseTheRest();
  return { transactions: world.transactions, rounds: world.rounds, logs: world.logs };
}

/** Every database up to its copy of the mark, unless `cuts` says how many entries of it came back. */
export function recover(simulation: Simulation, mark: string, cuts: Readonly<Record<string, number>> = {}): History {
  const recovered = databases.map((name): RecoveredDatabase => {
    const log = simulation.logs.get(name) ?? [];
    const kept = log.slice(0, cuts[name] ?? cutAt(simulation, name, mark));
    const commits = kept.filter(entry => 'id' in entry);
    return {
      name,
      ids: new Set(commits.map(({ id }) => id)),
      marks: kept.flatMap(entry => ('mark' in entry ? [entry.mark] : [])),
      balance: commits.reduce((sum, { amount }) => sum + amount, opening),
    };
  });
  const { transactions, rounds } = simulation;
  return { transactions, rounds, places, recovered, mark, totalBalance: opening * BigInt(databases.length) };
}

/** How many entries of the database's log reach the mark, including it. */
export function cutAt(simulation: Simulation, name: string, mark: string): number {
  const log = simulation.logs.get(name) ?? [];
  return log.findIndex(entry => 'mark' in entry && entry.mark === mark) + 1;
}

class World {
  readonly transactions: Draft[] = [];
  readonly rounds: WatchRound[] = [];
  readonly logs = new Map<string, Entry[]>(databases.map(name => [name, []]));
  readonly #random: Random;
  readonly #open = new Map<number, { draft: Draft; committed: boolean }>();
  #moment = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Each step moves one connection on: begin, commit, see the answer. */
  work(steps: number): void {
    for (let step = 0; step < steps; step += 1) this.#advance(wholeBelow(this.#random, 8));
  }

  watch(): void {
    const began = this.#next();
    const seen = new Map<string, ReadonlySet<string>>();
    for (const [name, log] of this.logs) {
      seen.set(name, new Set(log.flatMap(entry => ('mark' in entry ? [entry.mark] : []))));
      this.work(3);
    }
    this.rounds.push({ began, ended: this.#next(), marks: seen });
  }

  place(mark: string, names: readonly string[]): void {
    for (const name of names) this.logs.get(name)?.push({ mark });
  }

  /** The primaries die: what had no answer never gets one. */
  loseTheRest(): void {
    for (const { draft } of this.#open.values()) this.#end(draft, 'unknown');
  }

  #advance(connection: number): void {
    const open = this.#open.get(connection);
    if (open === undefined) {
      this.#begin(connection);
    } else if (!open.committed && this.#random() >= 0.1) {
      this.#commit(open.draft);
      open.committed = true;
    } else {
      this.#open.delete(connection);
      const answered = this.#random() < 0.02 ? 'unknown' : 'acknowledged';
      this.#end(open.draft, open.committed ? answered : 'refused');
    }
  }

  #begin(connection: number): void {
    const sequence = this.transactions.filter(transaction => transaction.connection === connection).length + 1;
    const first = oneOf(this.#random, databases);
    const second = oneOf(this.#random, databases);
    const draft: Draft = {
      id: `${connection}-${sequence}`,
      connection,
      sequence,
      databases: first === second ? [first] : [first, second],
      outcome: 'unknown',
      began: this.#next(),
      ended: Number.POSITIVE_INFINITY,
    };
    this.transactions.push(draft);
    this.#open.set(connection, { draft, committed: false });
  }

  #commit({ id, databases: [first, second] }: Draft): void {
    const amount = second === undefined ? 0n : BigInt(wholeBelow(this.#random, 50) + 1);
    if (first !== undefined) this.logs.get(first)?.push({ id, amount: -amount });
    if (second !== undefined) this.logs.get(second)?.push({ id, amount });
  }

  #end(draft: Draft, outcome: Outcome): void {
    draft.outcome = outcome;
    draft.ended = this.#next();
  }

  #next(): number {
    this.#moment += 1;
    return this.#moment;
  }
}
