import { createHash } from 'node:crypto';
import type { Reader, Transactor } from '@holdfast/store';
import type { Caller } from './identity.ts';

/** Joined with a service's own tables; the host applies the migration. */
export type IdempotencyTables = {
  idempotency: { caller: string; idempotency_key: string; mutation: string; input_hash: string; result_id: string };
};

/** What a caller asked for under a key. `input` without the key itself would do as well: it only has to be the same for the same request. */
export type IdempotentRequest = {
  readonly caller: Caller;
  readonly key: string;
  readonly mutation: string;
  readonly input: unknown;
};

/** The id of what came of it before; `other input`: the key was used for something else. */
export type EarlierRequest = { readonly resultId: string } | 'other input' | undefined;

/** Ask before the work and again in the transaction that stores its result: two at once then have one result. */
export async function findEarlierRequest<DB extends IdempotencyTables>(
  reader: Reader<DB>,
  request: IdempotentRequest,
): Promise<EarlierRequest> {
  const db = reader as unknown as Reader<IdempotencyTables>;
  const row = await db
    .selectFrom('idempotency')
    .select(['mutation', 'input_hash', 'result_id'])
    .where('caller', '=', request.caller.sub)
    .where('idempotency_key', '=', request.key)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const same = row.mutation === request.mutation && row.input_hash === hashOf(request.input);
  return same ? { resultId: row.result_id } : 'other input';
}

/** Belongs into the transaction that stores the result. */
export async function rememberRequest<DB extends IdempotencyTables>(
  transactor: Transactor<DB>,
  { caller, key, mutation, input }: IdempotentRequest,
  resultId: string,
): Promise<void> {
  const tx = transactor as unknown as Transactor<IdempotencyTables>;
  await tx
    .insertInto('idempotency')
    .values({ caller: caller.sub, idempotency_key: key, mutation, input_hash: hashOf(input), result_id: resultId })
    .execute();
}

function hashOf(input: unknown): string {
  return createHash('sha256').update(JSON.stringify(input)).digest('hex');
}
