import { expect, it } from '@jest/globals';
import { observationOf } from './observation.ts';

const now = Date.parse('2026-11-21T12:00:00Z');
const seen = (secondsAgo: number) => ({ observedAt: new Date(now - secondsAgo * 1000).toISOString(), error: null });

it.each([
  [0, 'FRESH', 'PT0S'],
  [60, 'FRESH', 'PT1M'],
  [61, 'STALE', 'PT1M1S'],
  [300, 'STALE', 'PT5M'],
  [301, 'EXPIRED', 'PT5M1S'],
])('a fact looked at every 30 s and seen %i s ago is %s', (secondsAgo, freshness, age) => {
  expect(observationOf(seen(secondsAgo), 30_000, now)).toMatchObject({ freshness, age });
});

it('was never seen, and says why', () => {
  expect(observationOf({ observedAt: null, error: 'refused' }, 30_000, now)).toEqual({
    observedAt: null,
    freshness: 'NEVER',
    age: null,
    error: 'refused',
  });
});
