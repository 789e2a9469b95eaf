/** CurCmd: the statement's number in its DONE token (sqlserver.md §1.5 for BACKUP, RESTORE and ALTER DATABASE; the others unverified). */
import type { Statement } from './ast.ts';

/** A statement without a number of its own: also the number of a failed parse. */
export const NO_COMMAND = 253;
export const SELECT_COMMAND = 193;
export const EXECUTE_COMMAND = 224;

const commands: Partial<Readonly<Record<Statement['kind'], number>>> = {
  select: SELECT_COMMAND,
  insert: 195,
  delete: 196,
  update: 197,
  'create table': 198,
  'alter table': 216,
  'create index': 203,
  merge: 279,
  'begin transaction': 212,
  commit: 213,
  rollback: 214,
  'alter database': 215,
  'execute procedure': EXECUTE_COMMAND,
  'execute text': EXECUTE_COMMAND,
  set: 249,
};
const information = { headeronly: 250, labelonly: 250, filelistonly: 376, verifyonly: 377 } as const;

export function commandOf(statement: Statement): number {
  switch (statement.kind) {
    case 'backup':
      return statement.what === 'database' ? 228 : 235;
    case 'restore':
      return 229;
    case 'restore information':
      return information[statement.what];
    case 'drop':
      return statement.what === 'table' ? 199 : NO_COMMAND;
    default:
      return commands[statement.kind] ?? NO_COMMAND;
  }
}

/** What sys.dm_exec_requests shows as `command`. */
export function commandName(statement: Statement): string {
  switch (statement.kind) {
    case 'backup':
    case 'restore':
      return `${statement.kind.toUpperCase()} ${statement.what.toUpperCase()}`;
    case 'restore information':
      return `RESTORE ${statement.what.toUpperCase()}`;
    case 'execute procedure':
    case 'execute text':
      return 'EXECUTE';
    case 'if':
    case 'while':
    case 'block':
    case 'try':
      return 'CONDITIONAL';
    default:
      return statement.kind.toUpperCase();
  }
}
