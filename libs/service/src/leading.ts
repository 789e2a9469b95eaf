import type { Bus } from '@holdfast/messaging';
import type { Lease } from '@holdfast/store';
import type { CheckpointHook } from './runner.ts';

/*
 * What a leader does only while it leads. It may have been frozen, for hours, between any two instructions, and what it was about to do is
 * the first thing that happens when it wakes. So the lease is looked at anew after every pause and directly before whatever leaves the
 * process. The gap that remains, between that look and the sending, is closed by those who receive it: consumers know the event's id, an
 * estate's server its newest leader (design.md §5, the last arbiter), the store its fence.
 */

/** At every checkpoint of a step, between decision and statement above all: a leader that has just woken goes no further. */
export function stepsWhileLeading(lease: Lease, hook: CheckpointHook | undefined): CheckpointHook {
  return async name => {
    const answer = await hook?.(name);
    if (!lease.held()) throw replaced(lease);
    return answer;
  };
}

/**
 * A leader that was replaced publishes nothing more. Where it does, frozen between look and sending, it repeats what its successor sends
 * or sent: both read one log in one order from a position stored before, so no event overtakes another for the first time.
 */
export function publishesWhileLeading(lease: Lease, bus: Bus): Bus {
  const publish: Bus['publish'] = async (topic, records) => {
    if (!lease.held()) throw replaced(lease);
    return bus.publish(topic, records);
  };
  return new Proxy(bus, {
    get(target, property) {
      if (property === 'publish') return publish;
      const member: unknown = Reflect.get(target, property, target);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
}

function replaced(lease: Lease): Error {
  return new Error(`Another leader has replaced the one under token ${String(lease.fencingToken)}.`, {
    cause: lease.lost.reason,
  });
}
