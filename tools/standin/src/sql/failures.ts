/** Failures of statements, and how deep the level was that raised them. */
import type { SqlFailure } from '../contract.ts';

const levels = new WeakMap<Error, number>();

/** Only the first one counts: outer levels pass a failure on. */
export function raisedAt(failure: SqlFailure, level: number): void {
  if (!levels.has(failure)) levels.set(failure, level);
}

export function levelOf(failure: SqlFailure): number | undefined {
  return levels.get(failure);
}
