/**
 * The RESTORE statements, run under the group's lock. Each reads what the server really said: an information line can mean failure
 * (sqlserver.md §0 item 3), and some errors mean that the work had been done before (§2.5).
 */
import type { MarkName } from '@holdfast/domain/mark';
import { saysAlreadyApplied, saysAlreadyRecovered, saysNotReached } from './conditions.ts';
import type { ServerMessage } from './errors.ts';
import type { Exclusive } from './exclusive.ts';
import type { Statement } from './statement.ts';
import * as statements from './statements-restore.ts';

/** From message 3014. Pages are a decimal string: they may exceed a JavaScript number. */
export type RestoreFigures = { readonly pages: string; readonly seconds: number };

type Told = { readonly figures: RestoreFigures | null; readonly messages: readonly ServerMessage[] };

/** Whole percents as the server reports them (3211): approximately every 5, always 100 at the end. */
export type OnPercent = (percent: number) => void;

/** A file as the restoring instance sees it. `checksum` only when its header says it holds checksums (3187). */
export type BackupSource = { readonly path: string; readonly position: number; readonly checksum: boolean };

const figuresOf = (messages: readonly ServerMessage[]): RestoreFigures | null => {
  const text = messages.findLast(message => message.number === 3014)?.text ?? '';
  const [, pages, seconds] = /processed (\d+) pages in (\d+\.\d+) seconds/.exec(text) ?? [];
  return pages === undefined || seconds === undefined ? null : { pages, seconds: Number(seconds) };
};

const percentListener =
  (onPercent: OnPercent | undefined) =>
  ({ number, text }: ServerMessage): void => {
    if (number !== 3211 || onPercent === undefined) return;
    const percent = Number.parseInt(text, 10);
    if (Number.isInteger(percent)) onPercent(percent);
  };

const run = async <P extends object>(
  exclusive: Exclusive,
  statement: Statement<P>,
  params: P,
  onPercent: OnPercent | undefined,
): Promise<Told> => {
  const { messages } = await exclusive.run(statement, params, percentListener(onPercent));
  return { figures: figuresOf(messages), messages };
};

/** Creates the database or starts its sequence again. `replace` gives up what the existing one holds: never the default (sqlserver.md §2.2). */
export const restoreFull = async (
  exclusive: Exclusive,
  params: { readonly database: string; readonly source: BackupSource; readonly replace: boolean },
  onPercent?: OnPercent,
): Promise<{ readonly outcome: 'RESTORED' } & Told> => {
  const { database, source, replace } = params;
  const told = await run(exclusive, statements.restoreFull, { database, ...source, replace }, onPercent);
  return { outcome: 'RESTORED', ...told };
};

/** Rolls forward to the end of the file. `ALREADY_APPLIED`: it ends before the position (4326), nothing happened. */
export const restoreLog = async (
  exclusive: Exclusive,
  params: { readonly database: string; readonly source: BackupSource },
  onPercent?: OnPercent,
): Promise<{ readonly outcome: 'RESTORED' | 'ALREADY_APPLIED' } & Told> => {
  const { database, source } = params;
  try {
    const told = await run(exclusive, statements.restoreLog, { database, ...source }, onPercent);
    return { outcome: 'RESTORED', ...told };
  } catch (error) {
    if (saysAlreadyApplied(error)) return { outcome: 'ALREADY_APPLIED', figures: null, messages: error.messages };
    throw error;
  }
};

/**
 * Rolls forward to the mark, including it. `MARK_NOT_REACHED`: the file did not hold the mark and has been applied to its end: the
 * execution must fail before any recovery (design.md §5, failover step 3). `STOPPED` is a claim: the caller reads the position and
 * expects the mark's LSN plus one slot (sqlserver.md §3.6 rule 2).
 */
export const restoreLogToMark = async (
  exclusive: Exclusive,
  params: { readonly database: string; readonly source: BackupSource; readonly mark: MarkName },
  onPercent?: OnPercent,
): Promise<{ readonly outcome: 'STOPPED' | 'MARK_NOT_REACHED' } & Told> => {
  const { database, source, mark } = params;
  const told = await run(exclusive, statements.restoreLogToMark, { database, ...source, mark }, onPercent);
  return { outcome: saysNotReached(told.messages) ? 'MARK_NOT_REACHED' : 'STOPPED', ...told };
};

/**
 * Opens the database; irreversible for its chain. `ALREADY_RECOVERED` (3153): the caller checks that it is the one it wanted.
 * `NOT_RECOVERED`: the server did part of it and left the database RESTORING.
 */
export const recover = async (
  exclusive: Exclusive,
  params: { readonly database: string },
  onPercent?: OnPercent,
): Promise<{ readonly outcome: 'RECOVERED' | 'ALREADY_RECOVERED' | 'NOT_RECOVERED' } & Told> => {
  try {
    const told = await run(exclusive, statements.recoverDatabase, params, onPercent);
    return { outcome: saysNotReached(told.messages) ? 'NOT_RECOVERED' : 'RECOVERED', ...told };
  } catch (error) {
    if (saysAlreadyRecovered(error)) return { outcome: 'ALREADY_RECOVERED', figures: null, messages: error.messages };
    throw error;
  }
};
