import type { Transactor } from '@holdfast/store';
import type { Batch, DeliveredRecord } from './bus.ts';
import type { EventShape } from './event.ts';
import type { Outbox } from './outbox.ts';
import type { MessagingTables } from './tables.ts';

/** The payload of the dead-letter event (libs/events has the contracts, one per service). */
export type ParkedEvent = {
  consumer: string;
  topic: string;
  partition: string;
  offset: string;
  key: string;
  eventId: string;
  reason: string;
  attempts: number;
  /** RFC 3339 UTC */
  parkedAt: string;
  body: string;
  bodyBytes: number;
  bodyCut: boolean;
};

export type DeadLetterOutbox = { readonly outbox: Outbox; readonly contract: EventShape<ParkedEvent> };

const bodyLimitBytes = 262_144;

/** Tells others what was parked, in the transaction that parks it. A dead letter that cannot be applied is not told again. */
export async function announceParked<DB extends MessagingTables>(
  tx: Transactor<DB>,
  { outbox, contract }: DeadLetterOutbox,
  place: Pick<Batch, 'topic' | 'partition'> & { readonly consumer: string; readonly parkedAt: string },
  { offset, key, eventId, value }: DeliveredRecord,
  { reason, attempts }: { readonly reason: string; readonly attempts: number },
): Promise<void> {
  if (place.topic === contract.topic) return;
  const body = cutTo(value, bodyLimitBytes);
  await outbox.append(tx, contract, {
    ...place,
    offset,
    // The contract's own key must not be empty.
    key: key === '' ? '(no key)' : key,
    eventId,
    reason,
    attempts,
    body,
    bodyBytes: Buffer.byteLength(value),
    bodyCut: body !== value,
  });
}

/** A beginning of at most so many bytes of UTF-8, and of at most twice as many when quoted inside JSON; never half a character. */
function cutTo(text: string, limitBytes: number): string {
  if (Buffer.byteLength(text) <= limitBytes && quotedBytes(text) <= 2 * limitBytes) return text;
  const bytes = Buffer.from(text);
  for (let limit = Math.min(limitBytes, bytes.length); ; limit = Math.floor(limit / 2)) {
    const cut = new TextDecoder().decode(bytes.subarray(0, limit), { stream: true });
    if (quotedBytes(cut) <= 2 * limitBytes) return cut;
  }
}

function quotedBytes(text: string): number {
  return Buffer.byteLength(JSON.stringify(text));
}
