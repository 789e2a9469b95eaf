/** What the Agent's procedures share: their parameters, finding the job that is meant, and who may touch it. */
import { fail, unsupported } from '../messages.ts';
import { guid, parameter, sysname } from '../procedure-parameters.ts';
import { isAdministrator } from '../rights.ts';
import type { ProcedureContext, Transaction } from '../contract.ts';
import type { SqlValue } from '../values.ts';
import { jobTable, sameText, select, textOf, type Values } from './job-store.ts';

/** Of procedures that name the job first; those of the others stand in their own order. */
export const jobParameters = [parameter('@job_id', guid, null), parameter('@job_name', sysname, null)] as const;

export function stringArgument(context: ProcedureContext, name: string): string | undefined {
  const value = context.argument(name);
  return typeof value === 'string' ? value : undefined;
}

export function numberArgument(context: ProcedureContext, name: string): number | undefined {
  const value = context.argument(name);
  return typeof value === 'bigint' ? Number(value) : undefined;
}

/** Arguments that the stand-in has nothing behind: any value but the ones listed is refused by name. */
export function refuseOthers(
  context: ProcedureContext,
  procedure: string,
  allowed: Readonly<Record<string, readonly SqlValue[]>>,
): void {
  for (const [name, values] of Object.entries(allowed)) {
    if (!values.includes(context.argument(name))) throw unsupported(`${procedure} ${name}`);
  }
}

/** Columns for those of the arguments that are not NULL: what an update procedure changes. */
export function givenColumns(context: ProcedureContext, columns: Readonly<Record<string, string>>): Values {
  const given = Object.entries(columns).map(([argument, column]) => [column, context.argument(argument)] as const);
  return Object.fromEntries(given.filter(([, value]) => value !== null));
}

/** In the caller's transaction if there is one, otherwise in one of its own. */
export async function inTransaction<T>(
  { session, engine }: ProcedureContext,
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> {
  if (session.transaction !== undefined) return work(session.transaction);
  const transaction = engine.begin(session, undefined);
  try {
    const result = await work(transaction);
    await transaction.commit();
    return result;
  } catch (failure) {
    await transaction.rollback();
    throw failure;
  }
}

/** By @job_id or by @job_name: 14294 for both or neither, 14262 for one that is not there. */
export async function findJob(context: ProcedureContext, transaction: Transaction): Promise<Values> {
  const [id, name] = [stringArgument(context, '@job_id'), stringArgument(context, '@job_name')];
  if ((id === undefined) === (name === undefined)) throw fail(14294, '@job_id', '@job_name');
  const isMeant = (row: Values): boolean =>
    id === undefined ? sameText(textOf(row, 'name'), name ?? '') : textOf(row, 'job_id') === id;
  const [job] = await select(transaction, jobTable(context.engine, 'sysjobs'), isMeant);
  if (job === undefined) throw fail(14262, id === undefined ? '@job_name' : '@job_id', name ?? id ?? '');
  return job;
}

/** Owners and sysadmin; msdb's Agent roles are not built (sqlserver.md §7.1). */
export function mayTouch({ session }: ProcedureContext, row: Values): boolean {
  const sid = row['owner_sid'];
  return isAdministrator(session) || (sid instanceof Uint8Array && Buffer.compare(sid, session.login.sid) === 0);
}

/** The job, for changing it. */
export async function findOwnJob(context: ProcedureContext, transaction: Transaction): Promise<Values> {
  const job = await findJob(context, transaction);
  if (!mayTouch(context, job)) throw fail(14525);
  return job;
}

/** The sid of the login named, or of the caller; only sysadmin may name another (14515). */
export function ownerSid(context: ProcedureContext, argument: string): Uint8Array {
  const { session, engine } = context;
  const name = stringArgument(context, argument);
  if (name === undefined || sameText(name, session.login.name)) return session.login.sid;
  if (!isAdministrator(session)) throw fail(14515);
  const login = engine.logins().find(each => sameText(each.name, name));
  if (login === undefined) throw fail(14262, argument, name);
  return login.sid;
}
