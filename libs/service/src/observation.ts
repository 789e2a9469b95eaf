import { durationFromSeconds } from './scalars.ts';

export type Freshness = 'FRESH' | 'STALE' | 'EXPIRED' | 'NEVER';
/** The API's `Observation`. `age`: ISO 8601. */
export type Observation = {
  readonly observedAt: string | null;
  readonly freshness: Freshness;
  readonly age: string | null;
  readonly error: string | null;
};

/** Looks missed before a fact is STALE, and before it is EXPIRED and carries no verdict any more. */
const staleAfterIntervals = 2;
const expiredAfterIntervals = 10;

/** `observedAt`: RFC 3339 UTC or null for never; `intervalMs`: how often the fact is looked at; `error`: why the last look failed. */
export function observationOf(
  seen: { readonly observedAt: string | null; readonly error: string | null },
  intervalMs: number,
  now: number,
): Observation {
  const { observedAt, error } = seen;
  if (observedAt === null) return { observedAt, freshness: 'NEVER', age: null, error };
  const ageMs = Math.max(0, now - Date.parse(observedAt));
  const freshness =
    ageMs <= staleAfterIntervals * intervalMs
      ? 'FRESH'
      : ageMs <= expiredAfterIntervals * intervalMs
        ? 'STALE'
        : 'EXPIRED';
  return { observedAt, freshness, age: durationFromSeconds(ageMs / 1000), error };
}
