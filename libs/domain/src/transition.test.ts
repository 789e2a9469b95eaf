import { describe, expect, it } from '@jest/globals';
import { defineTransitions } from './transition.ts';

type Standby = { readonly state: 'SEEDING' | 'IN_SYNC' | 'YIELDED'; readonly yieldedTo: string | null };
let applied = 0;

const move = defineTransitions<Standby>()({
  seeded: { from: ['SEEDING'], to: 'IN_SYNC', apply: standby => standby },
  yield: {
    from: ['SEEDING', 'IN_SYNC'],
    to: 'YIELDED',
    apply: (standby, input: { readonly executionId: string }) => {
      applied += 1;
      return { ...standby, yieldedTo: input.executionId };
    },
  },
});
const standby: Standby = { state: 'SEEDING', yieldedTo: null };

describe('transitions', () => {
  it('moves and applies', () => {
    expect(move(standby, 'yield', { executionId: 'x' })).toEqual({
      kind: 'MOVED',
      entity: { state: 'YIELDED', yieldedTo: 'x' },
    });
    expect(standby.state).toBe('SEEDING');
  });

  it('refuses an illegal move by name before anything runs', () => {
    applied = 0;
    const again = move({ ...standby, state: 'YIELDED' }, 'yield', { executionId: 'y' });
    const refusal = {
      kind: 'IllegalTransition',
      action: 'yield',
      state: 'YIELDED',
      allowedFrom: ['SEEDING', 'IN_SYNC'],
    };
    expect(again).toEqual({ kind: 'REFUSED', refusal });
    expect(applied).toBe(0);
  });

  it('is checked by the compiler', () => {
    // @ts-expect-error: no such action
    expect(() => move(standby, 'fly', undefined)).toThrow();
    // @ts-expect-error: not the input of this action
    expect(() => move(standby, 'yield', undefined)).toThrow();
  });
});
