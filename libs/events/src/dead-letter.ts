import { z } from 'zod';
import { contract, time } from './contract.ts';

const parkedBy = (service: 'inventory' | 'backup' | 'shipping' | 'restore') =>
  contract({
    service,
    name: 'event.parked.v1',
    audience: 'dead-letter',
    schema: z.object({
      /** Who could not apply it. */
      consumer: z.string(),
      /** Where it lies: one record of one topic. */
      topic: z.string(),
      partition: z.string(),
      offset: z.string().regex(/^\d+$/),
      key: z.string(),
      eventId: z.string(),
      reason: z.string(),
      attempts: z.int().positive(),
      parkedAt: time,
      /** The event as it came, cut when it would not fit into a message; the service's own store keeps all of it. */
      body: z.string(),
      bodyBytes: z.int().nonnegative(),
      bodyCut: z.boolean(),
    }),
    // The order in which one key's events were parked.
    key: payload => payload.key,
    subject: payload => payload.eventId,
  });

/** An event that this service could not apply and passed over; its key's later events were applied. */
export const parkedByInventory = parkedBy('inventory');
export const parkedByBackup = parkedBy('backup');
export const parkedByShipping = parkedBy('shipping');
export const parkedByRestore = parkedBy('restore');
