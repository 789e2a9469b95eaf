/** What the BizTalk procedures share: which databases they exist in, how they read and write the group's tables. */
import { compareText } from '../engine/compare.ts';
import { toDate } from '../engine/times.ts';
import { isFailure, SqlError } from '../messages.ts';
import { bigint, nvarchar } from '../procedure-parameters.ts';
import type { CallArgument } from '../computed-objects.ts';
import type { Database, Engine, Message, ProcedureContext, SqlFailure } from '../contract.ts';
import type { SqlType, SqlValue, TypedValue } from '../values.ts';

export function isManagement(database: Database): boolean {
  return database.table('dbo', 'adm_BackupHistory') !== undefined;
}

export function isCovered(database: Database): boolean {
  return database.table('dbo', 'MarkLog') !== undefined;
}

export function isSso(database: Database): boolean {
  return database.table('dbo', 'SSOX_GlobalInfo') !== undefined;
}

export function isTracking(database: Database): boolean {
  return database.table('dbo', 'TDDS_StreamStatus') !== undefined;
}

/** Whether it is this instance's own name; aliases of it are other names. */
export function isServer(engine: Engine, name: string): boolean {
  return compareText(name, engine.serverName) === 0;
}

export function textOf(context: ProcedureContext, name: string): string {
  return stringOf(context.argument(name));
}

/** Empty for NULL. */
export function stringOf(value: SqlValue | undefined): string {
  return typeof value === 'string' ? value : '';
}

export function flagOf(context: ProcedureContext, name: string): boolean {
  return context.argument(name) === true;
}

export function numberOf(context: ProcedureContext, name: string): number | undefined {
  const value = context.argument(name);
  return typeof value === 'bigint' ? Number(value) : undefined;
}

/** The instance's clock in the steps of datetime: its local time or UTC (@UseLocalTime; biztalk-dr.md §2.2). */
export async function momentOf(context: ProcedureContext, local: boolean): Promise<Date> {
  const [row] = await context.query(`SELECT CONVERT(nvarchar(30), ${local ? 'GETDATE' : 'GETUTCDATE'}(), 126) AS at`);
  return new Date(`${stringOf(row?.['at'])}Z`);
}

/** undefined for NULL. */
export function dateOf(value: SqlValue | undefined): Date | undefined {
  return typeof value === 'object' && value !== null && 'ticks' in value ? toDate(value) : undefined;
}

export function typedText(value: string, length: number | 'max' = 4000): TypedValue {
  return { type: nvarchar(length), value };
}

/** For what a procedure gives back. */
export function unset(type: SqlType): Pick<CallArgument, 'value' | 'output'> {
  return { value: { type, value: null }, output: true };
}

export function typedBigint(value: bigint): TypedValue {
  return { type: bigint, value };
}

export function quoted(name: string): string {
  return `[${name.replaceAll(']', ']]')}]`;
}

/** RAISERROR of the procedure itself: 50000, severity 16. */
export function complaint(text: string, procedure: string): Message {
  return { number: 50_000, severity: 16, state: 1, text, procedure };
}

/** The procedure's own complaint, after which it returns -1. */
export function complains(procedure: string, text: string): SqlFailure {
  return Object.assign(new SqlError([complaint(text, procedure)], 'statement'), { status: -1 });
}

/** What went wrong first, then the procedure's own complaint, as the caller of a failing procedure sees them; it returns -1. */
export function failedIn(procedure: string, text: string, cause: unknown): SqlFailure {
  if (!isFailure(cause) || endsBatch(cause)) throw cause;
  const messages = [...cause.messages, complaint(text, procedure)];
  return Object.assign(new SqlError(messages, 'statement', cause), { status: -1 });
}

/** A statement of the procedure itself under its SET XACT_ABORT ON: what fails ends the batch, and no caller goes on to complain. */
export async function abortingBatch<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (failure) {
    throw isFailure(failure) ? new BatchEnd(failure) : failure;
  }
}

class BatchEnd extends SqlError {
  constructor(cause: SqlFailure) {
    super(cause.messages, 'batch', cause);
  }
}

/** Of a failure of `abortingBatch`, which may be wrapped on its way to a caller. */
export function endsBatch(failure: unknown): boolean {
  return failure instanceof BatchEnd || (failure instanceof Error && endsBatch(failure.cause));
}
