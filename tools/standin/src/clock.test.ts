import { expect, it } from '@jest/globals';
import { InstanceClock } from './clock.ts';

const start = new Date('2026-03-01T12:00:00Z');
const later = (ms: number): Date => new Date(start.getTime() + ms);
const never = new AbortController().signal;

function clock(rate: number): { readonly clock: InstanceClock; pass: (ms: number) => void } {
  let wallMs = 5_000_000;
  return {
    clock: new InstanceClock({ startAt: start, rate, wallMs: () => wallMs }),
    pass: ms => {
      wallMs += ms;
    },
  };
}

it('shows what this machine shows, ahead by its zone, however slowly it was begun', () => {
  let wallMs = 5_000_000;
  // Each look at this machine's clock comes later than the one before.
  const slow = new InstanceClock({ aheadMs: 3_600_000, wallMs: () => (wallMs += 10) });
  const shown = slow.now().getTime();
  expect(shown).toBe(wallMs + 3_600_000);
  slow.close();
});

it('runs at its rate, and goes on from what it shows when the rate changes', () => {
  const { clock: fast, pass } = clock(60);
  pass(1000);
  expect(fast.now()).toEqual(later(60_000));
  fast.setRate(0);
  pass(5000);
  expect(fast.now()).toEqual(later(60_000));
  fast.setRate(1);
  pass(5000);
  expect(fast.now()).toEqual(later(65_000));
  fast.close();
});

it('shows the machine’s time without options', () => {
  const before = Date.now();
  const shown = new InstanceClock().now().getTime();
  expect(shown).toBeGreaterThanOrEqual(before);
  expect(shown).toBeLessThanOrEqual(Date.now());
});

it('wakes who waits in the order of the times, and no one early', async () => {
  const { clock: standing } = clock(0);
  const woken: string[] = [];
  const wait = (name: string, ms: number): Promise<void> =>
    standing.waitUntil(later(ms), never, {}).then(() => void woken.push(name));
  const waits = [wait('second', 2000), wait('first', 1000), wait('late', 3000)];
  expect(standing.nextWait()).toEqual(later(1000));
  standing.set(later(2000));
  await Promise.all(waits.slice(0, 2));
  expect(woken).toEqual(['first', 'second']);
  expect(standing.nextWait()).toEqual(later(3000));
  standing.set(later(3000));
  await waits[2];
  expect(standing.nextWait()).toBeUndefined();
});

it('waits on a running clock by this machine’s', async () => {
  const fast = new InstanceClock({ startAt: start, rate: 86_400 });
  await fast.waitUntil(later(3_600_000), never, {});
  expect(fast.now().getTime()).toBeGreaterThanOrEqual(later(3_600_000).getTime());
  fast.close();
});

it('lets nobody wait longer or shorter because it is wrong for a while', async () => {
  let wallMs = 5_000_000;
  let skewMs = 3_600_000;
  const wrong = new InstanceClock({ startAt: start, skewMs: () => skewMs, wallMs: () => wallMs });
  const woken: string[] = [];
  const wait = wrong.waitUntil(later(3_600_000 + 1000), never, {}).then(() => void woken.push('begun while it is'));
  expect(wrong.nextWait()).toEqual(later(3_601_000));
  skewMs = 0;
  expect(wrong.nextWait()).toEqual(later(1000));
  const other = wrong.waitUntil(later(2000), never, {}).then(() => void woken.push('begun before'));
  skewMs = 3_600_000;
  wrong.setRate(1);
  await Promise.resolve();
  expect(woken).toEqual([]);
  skewMs = 0;
  wallMs += 1000;
  wrong.setRate(1);
  await wait;
  wallMs += 1000;
  wrong.setRate(1);
  await other;
  expect(woken).toEqual(['begun while it is', 'begun before']);
  wrong.close();
});

it('ends a wait that is aborted, and knows who sleeps', async () => {
  const { clock: standing } = clock(0);
  const [controller, sleeper] = [new AbortController(), {}];
  const wait = standing.waitUntil(later(1), controller.signal, sleeper);
  expect([standing.sleeps(sleeper), standing.sleeps({})]).toEqual([true, false]);
  controller.abort('attention');
  await expect(wait).rejects.toThrow('attention');
  expect(standing.sleeps(sleeper)).toBe(false);
  await expect(standing.waitUntil(later(1), controller.signal, sleeper)).rejects.toThrow('attention');
});

it('is wrong by its skew, and is set to what it shall show all the same', () => {
  let skewMs = 0;
  const wrong = new InstanceClock({ startAt: start, rate: 0, skewMs: () => skewMs });
  skewMs = -90_000;
  expect(wrong.now()).toEqual(later(-90_000));
  wrong.set(later(1000));
  expect(wrong.now()).toEqual(later(1000));
});
