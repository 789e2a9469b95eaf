/** sp_getapplock and sp_releaseapplock. Names are compared exactly; a lock taken twice is released twice. */
import { LockResource, type LockOwner } from './lock-resource.ts';
import { RequestAborted } from './request-aborted.ts';
import { SqlError } from '../messages.ts';
import { EngineTransaction } from './engine-transaction.ts';
import type { Instance } from './instance.ts';
import type { StoredDatabase } from './stored-database.ts';
import type { Engine, Session } from '../contract.ts';

const counts = new WeakMap<LockResource, Map<LockOwner, number>>();
const modes = { Shared: 'S', Exclusive: 'X', Update: 'U' } as const;

export async function getApplock(
  instance: Instance,
  session: Session,
  request: Parameters<Engine['getApplock']>[1],
): Promise<number> {
  const database = instance.stored(request.database);
  const owner = ownerOf(instance, session, request.owner);
  if (owner === undefined) return -999;
  const lock = resourceOf(database, request.resource);
  try {
    const waited = await lock.acquire(owner, modes[request.mode], request.timeoutMs);
    const held = counts.get(lock) ?? new Map<LockOwner, number>();
    held.set(owner, (held.get(owner) ?? 0) + 1);
    counts.set(lock, held);
    return waited ? 1 : 0;
  } catch (failure) {
    if (failure instanceof RequestAborted) return -2;
    if (failure instanceof SqlError && failure.messages[0]?.number === 1222) return -1;
    if (failure instanceof SqlError && failure.messages[0]?.number === 1205) return -3;
    throw failure;
  }
}

export function releaseApplock(
  instance: Instance,
  session: Session,
  request: Parameters<Engine['releaseApplock']>[1],
): number {
  const lock = instance.stored(request.database).applocks.get(request.resource);
  const owner = ownerOf(instance, session, request.owner);
  if (lock === undefined || owner === undefined || !lock.granted.has(owner)) return -999;
  const held = counts.get(lock);
  const left = (held?.get(owner) ?? 1) - 1;
  if (left > 0) held?.set(owner, left);
  else {
    held?.delete(owner);
    lock.release(owner);
  }
  return 0;
}

function ownerOf(instance: Instance, session: Session, owner: 'Session' | 'Transaction'): LockOwner | undefined {
  if (owner === 'Session') return instance.ownerOf(session);
  return session.transaction instanceof EngineTransaction ? session.transaction.owner : undefined;
}

function resourceOf(database: StoredDatabase, resource: string): LockResource {
  const known = database.applocks.get(resource);
  if (known !== undefined) return known;
  const lock = new LockResource('APPLICATION', database.id, `0:[${resource}]`, () => {
    database.applocks.delete(resource);
  });
  database.applocks.set(resource, lock);
  return lock;
}
