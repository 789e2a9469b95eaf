import { describe, expect, it } from '@jest/globals';
import { discoveredId, newId } from './ids.ts';

describe('ids', () => {
  it('are version 7 with the time of the clock for what we create', () => {
    const id = newId(() => 0x0123456789ab);
    expect(id).toMatch(/^01234567-89ab-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(newId()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect(new Set(Array.from({ length: 1_000 }, () => newId(() => 5))).size).toBe(1_000);
  });

  it('are the same version 5 for the same natural key, for ever', () => {
    expect(discoveredId('instance', 'SQL-A')).toBe('300cd66e-ee82-50f5-a2cb-15d7b4b9f9a9');
  });

  it('keep parts and kinds apart', () => {
    const ids = [['a', 'bc'], ['ab', 'c'], ['abc'], ['a', 'b', 'c'], ['a","bc']].map(parts =>
      discoveredId('set', ...parts),
    );
    expect(new Set([...ids, discoveredId('file', 'a', 'bc')]).size).toBe(6);
  });
});
