import type { Fault } from './faults.ts';

/** What a fault did to the flow. Milliseconds. */
export type Standstill = {
  readonly kind: string;
  readonly target: string;
  /** Since the load began. */
  readonly atMs: number;
  /** From the injury until its cause was gone. */
  readonly lastedMs: number;
  /** The longest time in which one key of a service concerned did not move, from the injury until every one had moved again. */
  readonly withoutProgressMs: number;
  /** From when the cause was gone until every key had moved again. */
  readonly recoveredMs: number;
  /** No other fault touched a service concerned, nor the broker, until then. */
  readonly alone: boolean;
};

export type KindSummary = {
  readonly count: number;
  /** Of those that were alone; the medians are theirs where there are any. */
  readonly alone: number;
  readonly withoutProgressMs: { readonly median: number; readonly max: number };
  readonly recoveredMs: { readonly median: number; readonly max: number };
};

/** When the keys of each service moved. */
export class Progress {
  readonly #moved = new Map<string, Map<string, number[]>>();
  readonly #applied = new Map<string, Readonly<Record<string, number>>>();

  note(service: string, time: number, applied: Readonly<Record<string, number>>): void {
    const before = this.#applied.get(service) ?? {};
    const keys = this.#moved.get(service) ?? new Map<string, number[]>();
    for (const [key, count] of Object.entries(applied)) {
      if (count === before[key]) continue;
      const times = keys.get(key) ?? [];
      times.push(time);
      keys.set(key, times);
    }
    this.#moved.set(service, keys);
    this.#applied.set(service, applied);
  }

  /** Whether every key of this service moved after `time`. */
  movedSince(service: string, time: number): boolean {
    const keys = [...(this.#moved.get(service)?.values() ?? [])];
    return keys.length > 0 && keys.every(times => (times.at(-1) ?? 0) > time);
  }

  /** `end`: of the run, for a key that did not move again. */
  of(fault: Fault, others: readonly Fault[], beganAt: number, end: number): Standstill {
    let [longest, recoveredAt] = [0, fault.endedAt];
    for (const service of fault.concerned)
      for (const times of this.#moved.get(service)?.values() ?? []) {
        const again = times.find(time => time > fault.endedAt) ?? end;
        recoveredAt = Math.max(recoveredAt, again);
        const points = [...times.filter(time => time > fault.startedAt && time < again), again];
        let from = times.findLast(time => time <= fault.startedAt) ?? fault.startedAt;
        for (const point of points) {
          longest = Math.max(longest, point - from);
          from = point;
        }
      }
    const alone = !others.some(
      other =>
        other !== fault &&
        other.startedAt < recoveredAt &&
        other.endedAt > fault.startedAt - 6_000 &&
        other.concerned.some(service => fault.concerned.includes(service)),
    );
    return {
      kind: fault.kind,
      target: fault.target,
      atMs: fault.startedAt - beganAt,
      lastedMs: fault.endedAt - fault.startedAt,
      withoutProgressMs: longest,
      recoveredMs: recoveredAt - fault.endedAt,
      alone,
    };
  }
}

export function summaries(standstills: readonly Standstill[]): Record<string, KindSummary> {
  const byKind = Map.groupBy(standstills, ({ kind }) => kind);
  return Object.fromEntries(
    [...byKind].map(([kind, all]) => {
      const alone = all.filter(each => each.alone);
      const typical = alone.length > 0 ? alone : all;
      const summary = (field: 'withoutProgressMs' | 'recoveredMs') => ({
        median: median(typical.map(each => each[field])),
        max: Math.max(...all.map(each => each[field])),
      });
      return [
        kind,
        {
          count: all.length,
          alone: alone.length,
          withoutProgressMs: summary('withoutProgressMs'),
          recoveredMs: summary('recoveredMs'),
        },
      ];
    }),
  );
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return Math.round(((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle) - 1] ?? 0)) / 2);
}
