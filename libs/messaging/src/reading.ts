import { reasonOf } from './back-off.ts';
import type { DeliveredRecord } from './bus.ts';
import type { EventCodec } from './event.ts';
import type { Effects, Reaction } from './reaction.ts';

/** What a record turns out to be for one consumer. */
export type Reading<DB> =
  | ({ readonly kind: 'event'; readonly type: string; readonly traceparent: string | undefined } & Effects<DB>)
  /** Of a type that nobody here wants. */
  | { readonly kind: 'unknown' }
  /** Of a wanted type in a version beyond those that are known: not to be passed over in silence. */
  | { readonly kind: 'newer'; readonly type: string }
  | { readonly kind: 'unreadable'; readonly reason: string; readonly attempts: number };

export function readRecord<DB>(
  { key, eventId, value }: DeliveredRecord,
  codec: EventCodec,
  reactions: ReadonlyMap<string, Reaction<DB>>,
): Reading<DB> {
  const read = readJson(value);
  if (!read.ok) return unreadable(read.problem);
  const type = typeOf(read.value);
  const reaction = reactions.get(type);
  if (reaction === undefined) return isNewer(type, reactions) ? { kind: 'newer', type } : { kind: 'unknown' };
  const parsed = reaction.parse(codec, read.value);
  if (!parsed.ok) return unreadable(parsed.problem);
  const { envelope, apply, repeat } = parsed;
  const { partitionkey, id, traceparent } = envelope;
  if (key !== partitionkey)
    return unreadable(
      `the record's key is ${key === '' ? 'empty' : `"${key}"`}, the event's partitionkey "${partitionkey}": its order is not known`,
    );
  if (eventId !== id) return unreadable(`the record says that it is event ${eventId}, the event says ${id}`);
  return { kind: 'event', type, traceparent, apply, repeat };
}

function unreadable<DB>(reason: string): Reading<DB> {
  return { kind: 'unreadable', reason, attempts: 1 };
}

function isNewer<DB>(type: string, reactions: ReadonlyMap<string, Reaction<DB>>): boolean {
  const [, name, version] = /^(.+)\.v(\d+)$/.exec(type) ?? [];
  if (name === undefined) return false;
  let newest = 0;
  for (const known of reactions.keys()) {
    const [, knownName, knownVersion] = /^(.+)\.v(\d+)$/.exec(known) ?? [];
    if (knownName === name) newest = Math.max(newest, Number(knownVersion));
  }
  return newest > 0 && Number(version) > newest;
}

function readJson(text: string): { ok: true; value: unknown } | { ok: false; problem: string } {
  try {
    return { ok: true, value: JSON.parse(text) as unknown };
  } catch (error) {
    return { ok: false, problem: `not JSON: ${reasonOf(error)}` };
  }
}

function typeOf(value: unknown): string {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
    ? value.type
    : '';
}
