import fc from 'fast-check';
import type { Entry, OracleFile } from './oracle.ts';

/** A mark that was placed: its LSN where a database carries it, and where a row of `logmarkhistory` proves it. */
export type OracleMark = {
  readonly name: string;
  readonly lsn: ReadonlyMap<number, bigint>;
  readonly proven: ReadonlySet<number>;
  readonly fork: ReadonlyMap<number, number>;
};

export type History = {
  readonly databases: number;
  readonly files: readonly OracleFile[];
  /** Oldest first; those of an abandoned recovery path are not listed. */
  readonly marks: readonly OracleMark[];
  /** Files that never reach the destination, and those that lie there unverified. */
  readonly lost: ReadonlySet<number>;
  readonly unverified: ReadonlySet<number>;
};

type Command =
  | { kind: 'WORK'; database: number; amount: number }
  | { kind: 'FULL_SET' }
  /** A mark in all databases (but `unmarked`), then one log of each, with work in between. */
  | { kind: 'LOG_SET'; work: number; unmarked: number | null; unproven: number | null }
  /** Somebody else's log backup: it moves the chain, or it is copy-only and overlaps the next one. */
  | { kind: 'LOG'; database: number; copyOnly: boolean }
  /** The source database is set back to the start of its current log slice: same LSNs, other contents. */
  | { kind: 'FORK'; database: number };

type Source = {
  entries: Entry[];
  next: bigint;
  chain: bigint | null;
  fork: number;
  forkAtChain: number;
  forkPoint: bigint | null;
};

const someDatabase = fc.nat(3);
const seldom = fc.constantFrom(null, null, null, null, null, null, 0, 1, 2);

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('WORK'), database: someDatabase, amount: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('FULL_SET') }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('LOG_SET'), work: fc.nat(15), unmarked: seldom, unproven: seldom }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('LOG'), database: someDatabase, copyOnly: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('FORK'), database: someDatabase }) },
);

/** Histories of one to three databases; `loss` is the share of files lost or unverified, in percent. */
export function histories(loss: number): fc.Arbitrary<History> {
  return fc
    .record({
      databases: fc.integer({ min: 1, max: 3 }),
      commands: fc.array(command, { minLength: 2, maxLength: 16 }),
      chances: fc.array(fc.nat(99), { minLength: 60, maxLength: 60, size: 'max' }),
    })
    .map(({ databases, commands, chances }) => {
      const { files, marks } = play(databases, [{ kind: 'FULL_SET' }, ...commands]);
      const lost = new Set<number>();
      const unverified = new Set<number>();
      for (const file of files) {
        const chance = chances[file.id] ?? 99;
        if (chance < loss) (chance % 3 === 0 ? unverified : lost).add(file.id);
      }
      return { databases, files, marks, lost, unverified };
    });
}

function play(databases: number, commands: readonly Command[]): Pick<History, 'files' | 'marks'> {
  const files: OracleFile[] = [];
  let marks: OracleMark[] = [];
  const sources = Array.from({ length: databases }, (_, index): Source => {
    return {
      entries: [],
      next: lsn(100n + BigInt(index) * 7n, 0),
      chain: null,
      fork: index * 100,
      forkAtChain: index * 100,
      forkPoint: null,
    };
  });

  const write = (source: Source, mark: string | null): bigint => {
    const entry = { lsn: source.next, mark };
    source.entries.push(entry);
    source.next = lsn(((entry.lsn / 100000n) % 10n ** 10n) + 1n, source.fork);
    return entry.lsn;
  };
  const backUpLog = (database: number, source: Source, copyOnly: boolean) => {
    if (source.chain === null) return;
    const first = source.chain;
    const entries = source.entries.filter(entry => entry.lsn >= first);
    files.push({
      id: files.length,
      database,
      kind: 'LOG',
      first,
      last: source.next,
      firstFork: source.forkAtChain,
      lastFork: source.fork,
      forkPoint: source.forkPoint,
      entries,
    });
    if (!copyOnly) [source.chain, source.forkAtChain, source.forkPoint] = [source.next, source.fork, null];
  };

  commands.forEach((command, step) => {
    switch (command.kind) {
      case 'WORK': {
        const source = sources[command.database % databases]!;
        for (let i = 0; i < command.amount; i += 1) write(source, null);
        break;
      }
      case 'FULL_SET':
        sources.forEach((source, database) => {
          const first = source.next;
          if (step % 2 === 0) write(source, null);
          if (source.chain === null) [source.chain, source.forkAtChain] = [first, source.fork];
          files.push({
            id: files.length,
            database,
            kind: 'FULL',
            first,
            last: source.next,
            firstFork: source.fork,
            lastFork: source.fork,
            forkPoint: null,
            entries: [...source.entries],
          });
        });
        break;
      case 'LOG_SET': {
        const name = `M${String(step)}`;
        const at = new Map<number, bigint>();
        const fork = new Map(sources.map((source, database) => [database, source.fork]));
        sources.forEach((source, database) => {
          if (command.unmarked === null || command.unmarked % databases !== database)
            at.set(database, write(source, name));
        });
        marks.push({
          name,
          fork,
          lsn: at,
          proven: new Set([...at.keys()].filter(database => database !== command.unproven)),
        });
        sources.forEach((source, database) => {
          for (let i = 0; i < (command.work >> database) % 4; i += 1) write(source, null);
          backUpLog(database, source, false);
        });
        break;
      }
      case 'LOG':
        backUpLog(command.database % databases, sources[command.database % databases]!, command.copyOnly);
        break;
      case 'FORK': {
        const database = command.database % databases;
        const source = sources[database]!;
        const from = source.chain;
        if (from === null) break;
        source.entries = source.entries.filter(entry => entry.lsn < from);
        source.fork += 1;
        source.forkPoint = from;
        source.next = lsn(((from / 100000n) % 10n ** 10n) + 1n, source.fork);
        marks = marks.filter(mark => (mark.lsn.get(database) ?? 0n) < from);
        break;
      }
    }
  });
  return { files, marks };
}

/** A slot of its own for each recovery path keeps equal LSNs of two paths apart by luck never needed. */
function lsn(block: bigint, fork: number): bigint {
  return 37n * 10n ** 15n + block * 10n ** 5n + BigInt((fork % 100) * 4 + 1);
}
