/** One row of the tables beside this file: what a fault changes, and nothing else. */
import { expect, it } from '@jest/globals';
import { definitionOf, type FaultSwitches } from '../../src/faults/fault-switches.ts';

export type Strike<Bench> = {
  readonly parameters?: Readonly<Record<string, unknown>>;
  /** Brings `place` into the state in which `act` can be repeated; the fault is off. */
  readonly prepare?: (bench: Bench, place: string) => Promise<unknown>;
  /** What happens, as a value. `place`: 'A', which the fault is set for, or 'B'. */
  readonly act: (bench: Bench, place: string) => Promise<unknown>;
  readonly normal: unknown;
  readonly faulty: unknown;
  /** The parameters name A alone: at B all is as ever while the fault is set. */
  readonly sparesB?: boolean;
  /** `act` has several hits: it is not tried with `times`. */
  readonly manyHits?: boolean;
};

export type Strikes<Bench> = Readonly<Record<string, Strike<Bench>>>;

/** For each: as ever; faulty, at A only; by itself as ever again after `times`; faulty, and as ever again when cleared. */
export function tryStrikes<Bench extends { readonly faults: FaultSwitches }>(
  strikes: Strikes<Bench>,
  bench: () => Bench,
): void {
  it.each(Object.entries(strikes))('%s', async (name, strike) => {
    const { faults } = bench();
    const at = async (place: string, before: () => unknown = () => undefined): Promise<unknown> => {
      await strike.prepare?.(bench(), place);
      before();
      return strike.act(bench(), place);
    };
    const set = (times?: number): void => {
      const parameters = { ...strike.parameters, ...(times === undefined ? {} : { times }) };
      expect(faults.set({ name, parameters })).toMatchObject({ name, set: parameters, hits: 0 });
    };
    const state = (): unknown => faults.list().find(each => each.name === name);
    expect(await at('A')).toEqual(strike.normal);
    if (strike.sparesB === true) expect(await at('B', () => set())).toEqual(strike.normal);
    faults.clear(name);
    const limited = definitionOf(name)?.parameters['times'] !== undefined && strike.manyHits !== true;
    expect(await at('A', () => set(limited ? 1 : undefined))).toEqual(strike.faulty);
    if (limited) {
      expect(state()).toMatchObject({ set: null, hits: 1 });
      expect(await at('A')).toEqual(strike.normal);
      expect(await at('A', () => set())).toEqual(strike.faulty);
    }
    expect(faults.clear(name)).toMatchObject({ name, set: null });
    expect(await at('A')).toEqual(strike.normal);
  });
}
