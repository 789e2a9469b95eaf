import type { Scenario } from './config.ts';
import type { EstateInstance } from './estate/instance.ts';

/** How the work on the source ends before the failover. */
export type Ending = {
  readonly mode: 'PLANNED' | 'UNPLANNED';
  /** Source instances that are killed with -9, in the middle of the load; the failover has to fence the others. */
  readonly dead: readonly EstateInstance[];
  /** The backup share is taken away too. */
  readonly shareLost: boolean;
  /** For the progress. */
  readonly words: string;
};

/** By the scenario, and within it by the seed. */
export function endingOf(
  scenario: Scenario | undefined,
  seed: number,
  primaries: readonly [EstateInstance, ...EstateInstance[]],
): Ending {
  switch (scenario) {
    case undefined:
    case 'control-plane-crash':
      return { mode: 'UNPLANNED', dead: primaries, shareLost: seed % 2 === 1, words: 'The primaries are dead' };
    case 'broken-set':
      return { mode: 'UNPLANNED', dead: primaries, shareLost: false, words: 'The primaries are dead' };
    case 'lose-one': {
      const dead = primaries[seed % primaries.length] ?? primaries[0];
      return { mode: 'UNPLANNED', dead: [dead], shareLost: false, words: `${dead.name} is dead, alone` };
    }
    case 'planned':
      return { mode: 'PLANNED', dead: [], shareLost: false, words: 'The applications are stopped' };
  }
}
