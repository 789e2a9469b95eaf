/**
 * What callers ask of an error beyond its class, by name. Numbers are compared here and in the table, nowhere else (sqlserver.md §1.4, §2.3,
 * §2.4, §2.5).
 */
import { type Finding, meaningOf } from './error-table.ts';
import { type ServerMessage, SqlServerError } from './errors.ts';

const isOneOf = (error: unknown, ...numbers: readonly number[]): error is SqlServerError =>
  error instanceof SqlServerError && error.number !== null && numbers.includes(error.number);

const finds = (error: unknown, finding: Finding): boolean => {
  if (!(error instanceof SqlServerError) || error.number === null) return false;
  const { number, severity, messages, message } = error;
  const text = messages.find(each => each.number === number)?.text ?? message;
  const meaning = meaningOf(number, severity ?? 16, text);
  // A connection that broke outranks the number: the statement's outcome is unknown.
  return meaning.finding === finding && meaning.errorClass === error.errorClass;
};

/** The server read a file that is cut or damaged: copy it again; if that does not help, only a reseed leads past it. */
export const saysDamagedFile = (error: unknown): boolean => finds(error, 'DAMAGED_FILE');

/** A disk of the instance has no room for what was asked; the same may be sent again when there is. */
export const saysFullDisk = (error: unknown): boolean => finds(error, 'FULL_DISK');

/** The service account could not open the backup file; why is in the class. */
export const saysNotOpened = (error: unknown): error is SqlServerError => isOneOf(error, 3201);

/** The service account could not open or read the backup file: with class permission, it may not (sqlserver.md §2.5). */
export const saysFileRefused = (error: unknown): error is SqlServerError => isOneOf(error, 3201, 3203);

/** The log ends before the position: nothing happened. */
export const saysAlreadyApplied = (error: unknown): error is SqlServerError => isOneOf(error, 4326);

export const saysAlreadyRecovered = (error: unknown): error is SqlServerError => isOneOf(error, 3153);

/** The session to be ended had ended by itself. */
export const saysSessionGone = (error: unknown): boolean => isOneOf(error, 6106);

/** The unit of work to be rolled back is not there any more (learn.microsoft.com, database engine errors). */
export const saysUnitGone = (error: unknown): boolean => isOneOf(error, 6110);

/** No such database; 208 is what an unknown one in a three-part name gives (unverified). */
export const saysNoSuchDatabase = (error: unknown): boolean => isOneOf(error, 208, 911);

/** The Agent refused: the job already runs, does not run, or the Agent is down. */
export const saysAgentRefused = (error: unknown): error is SqlServerError => isOneOf(error, 22022);

// Information that says: the statement succeeded, but its point was not reached; the database stays RESTORING (sqlserver.md §2.3).
const notReached = new Set([4322, 4329, 4339]);

export const saysNotReached = (messages: readonly ServerMessage[]): boolean =>
  messages.some(({ number }) => notReached.has(number));
