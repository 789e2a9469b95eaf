import { v5, v7 } from 'uuid';
import { type Clock } from './clock.ts';

// Fixed for ever: another value would give every discovered thing a new id.
const holdfastNamespace = '6f0e1d0a-3c5b-4b7e-9a2d-8c41f7b6e953';

/** A UUIDv7 (RFC 9562 §5.7) for something we create; with a clock given, its time is the clock's to the millisecond. */
export function newId(clock?: Clock): string {
  return clock === undefined ? v7() : v7({ msecs: clock() });
}

/** A UUIDv5 (RFC 9562 §5.5) of a natural key, so that rediscovery finds the same thing. The caller settles letter case first. */
export function discoveredId(kind: string, ...naturalKeyParts: readonly string[]): string {
  // JSON quotes each part: ('a', 'bc') and ('ab', 'c') stay different.
  return v5(JSON.stringify([kind, ...naturalKeyParts]), holdfastNamespace);
}
