import { expect, it } from '@jest/globals';
import { MarkGate } from './mark-gate.ts';
import { failureOf } from './engine-fixture.ts';

const { signal } = new AbortController();

/** Resolves true when `work` has ended by the time that everything else has had its turn. */
async function ended(work: Promise<unknown>): Promise<boolean> {
  return Promise.race([work.then(() => true), new Promise<boolean>(resolve => setImmediate(() => resolve(false)))]);
}

it('lets what is inside end, and nobody in, before the mark is placed; then all', async () => {
  const gate = new MarkGate({ stall: () => true, drainTimeoutMs: 60_000 });
  await gate.enter(1n, signal);
  const mark = gate.hold(2n, 'm', 51, signal);
  const late = gate.enter(3n, signal);
  expect([await ended(mark), await ended(late)]).toEqual([false, false]);
  gate.leave(1n);
  expect([await ended(mark), await ended(late)]).toEqual([true, false]);
  gate.leave(2n);
  expect(await ended(late)).toBe(true);
});

it('places marks one after the other; who waits too long for another mark is a deadlock victim', async () => {
  const gate = new MarkGate({ stall: () => true, drainTimeoutMs: 20 });
  await gate.hold(1n, 'first', 51, signal);
  expect(await failureOf(gate.hold(2n, 'second', 52, signal))).toEqual([1205]);
  const third = gate.hold(3n, 'third', 53, signal);
  gate.leave(1n);
  await third;
  gate.leave(3n);
});

it('gives up with 3928 and lets everybody go on when what is prepared does not end', async () => {
  const gate = new MarkGate({ stall: () => true, drainTimeoutMs: 20 });
  gate.adopt(1n, false);
  const mark = failureOf(gate.hold(2n, 'm', 51, signal));
  const held = gate.enter(3n, signal);
  expect(await mark).toEqual([3928]);
  await held;
});

it('keeps everybody out for a mark that a crash left prepared, until they give up', async () => {
  const gate = new MarkGate({ stall: () => true, drainTimeoutMs: 60_000 });
  gate.adopt(1n, true);
  const giving = new AbortController();
  const held = gate.enter(2n, giving.signal);
  giving.abort('attention');
  await expect(held).rejects.toThrow(/attention/);
  gate.leave(1n);
  await gate.enter(3n, signal);
});

it('holds nobody without the stall', async () => {
  const gate = new MarkGate({ stall: () => false, drainTimeoutMs: 0 });
  await gate.enter(1n, signal);
  await gate.hold(2n, 'm', 51, signal);
  await gate.enter(3n, signal);
});
