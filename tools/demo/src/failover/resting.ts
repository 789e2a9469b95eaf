import { until } from '../protect/answers.ts';
import { type LoggedStatement, readStatementLogs } from './statements.ts';

/** How a standby that rests at the mark went into a failover, and what that cost. */
export type Resting = {
  /** The newest common mark. */
  readonly mark: string;
  /** Databases whose last restore stopped at another one, or at none. */
  readonly elsewhere: readonly string[];
  /** Logs and fulls that the failover sent: from a standby at rest it is recovery alone. */
  readonly restoresInFailover: number;
};

const restLimitMs = 30_000;

/** Waits until the databases rest at the mark; resolves with those that do not, when the time is over. */
export async function untilAtRest(
  instances: readonly { readonly statementLog: string }[],
  databases: readonly string[],
  mark: string,
): Promise<readonly string[]> {
  const elsewhere = async (): Promise<readonly string[]> =>
    notAtRest((await readStatementLogs(instances)).flat(), databases, mark);
  const allThere = async (): Promise<true | undefined> => ((await elsewhere()).length === 0 ? true : undefined);
  // Whoever is missing at the limit is told by the last look.
  await until(restLimitMs, allThere).catch(() => undefined);
  return elsewhere();
}

/** Databases whose last restore that ended well was none that stopped at this mark. */
export function notAtRest(
  statements: readonly LoggedStatement[],
  databases: readonly string[],
  mark: string,
): readonly string[] {
  const last = new Map<string, string>();
  for (const { text, outcome } of statements) {
    const database = restoredDatabase(text);
    if (database !== undefined && outcome === 'ok') last.set(database, text);
  }
  return databases.filter(name => /\bSTOPATMARK\s*=\s*N'([^']+)'/i.exec(last.get(name) ?? '')?.[1] !== mark);
}

/** Restores of a file that a failover sent, whatever came of them. */
export function restoresInFailover(statements: readonly LoggedStatement[]): number {
  return statements.filter(
    ({ program, text, outcome }) =>
      outcome === 'started' && program.startsWith('holdfast-restore ') && restoredDatabase(text) !== undefined,
  ).length;
}

/** What is not as it must be. */
export function restingComplaints({ mark, elsewhere, restoresInFailover: sent }: Resting): readonly string[] {
  return [
    ...(elsewhere.length === 0 ? [] : [`not at rest at ${mark}: ${elsewhere.join(', ')}`]),
    ...(sent === 0 ? [] : [`the failover restored ${sent} files, though the standby rested at its mark`]),
  ];
}

/** Of a RESTORE that reads a file. */
function restoredDatabase(text: string): string | undefined {
  return /^\s*RESTORE\s+(?:DATABASE|LOG)\s+\[((?:[^\]]|\]\])+)\][^]*\bFROM\b/i.exec(text)?.[1];
}
