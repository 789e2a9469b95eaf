import { createHash } from 'node:crypto';
import type { Caller } from '@holdfast/service';
import type { Reader, Transactor } from '@holdfast/store';
import type { InventoryTables } from '../tables.ts';

/** What a caller asked for under a key: the same again gets the same answer, anything else under that key is refused. */
export type Request = {
  readonly caller: Caller;
  readonly key: string;
  readonly mutation: string;
  readonly input: unknown;
};

export type Earlier = { readonly resultId: string } | 'other input' | undefined;

export async function findEarlier(db: Reader<InventoryTables>, request: Request): Promise<Earlier> {
  const row = await db
    .selectFrom('idempotency')
    .select(['mutation', 'input_hash', 'result_id'])
    .where('caller', '=', request.caller.sub)
    .where('idempotency_key', '=', request.key)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return row.mutation === request.mutation && row.input_hash === hashOf(request.input)
    ? { resultId: row.result_id }
    : 'other input';
}

export async function remember(tx: Transactor<InventoryTables>, request: Request, resultId: string): Promise<void> {
  const { caller, key, mutation, input } = request;
  await tx
    .insertInto('idempotency')
    .values({ caller: caller.sub, idempotency_key: key, mutation, input_hash: hashOf(input), result_id: resultId })
    .execute();
}

function hashOf(input: unknown): string {
  return createHash('sha256').update(JSON.stringify(input)).digest('hex');
}
